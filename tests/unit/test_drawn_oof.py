"""Drawn out-of-fold sets are what they say: their shares, errors and members."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kurtosis, t

from comp.metrics import macro_f1
from comp.rows import Rows
from comp.stacking import Recipe
from tests.drawn_oof import CELLS, PART, SURE, TAILS, World, draw_world, fresh_scores

COUNT = 2000


def errors(world: World, count: int = 40_000) -> np.ndarray:
    """(M, N, C) what the logits are beyond prior and signal, before they are scaled, of models whose skill is 1."""
    world = replace(world, skill=np.ones_like(world.skill))
    rows = world.draw(count, np.random.default_rng(0))
    return rows.logits / world.scale[:, None, None] - world.prior - rows.known_labels * world.signal


@pytest.mark.parametrize("cell", CELLS)
def test_rare_classes_have_a_few_images_and_every_row_has_a_label(cell: tuple[str, str]) -> None:
    images = np.array([draw_world(seed, *cell).labelled(COUNT).known_labels.sum(axis=0) for seed in range(5)])
    assert (images.min(axis=1) >= 3).all()
    assert (images.min(axis=1) <= 12).all()
    assert (images.max(axis=1) >= 600).all()
    for rows in draw_world(0, *cell).fresh(25_000):
        assert rows.known_labels.any(axis=1).all()


def test_fresh_rows_are_drawn_like_the_labelled_ones() -> None:
    world = draw_world(1, "light", "good")
    labelled = np.mean([world.draw(COUNT, np.random.default_rng(seed)).known_labels.mean(axis=0) for seed in range(20)], axis=0)
    blocks = list(world.fresh(45_000))
    fresh = np.concatenate([rows.known_labels for rows in blocks])
    assert [len(rows) for rows in blocks] == [10_000] * 4 + [5000]
    assert np.allclose(fresh.mean(axis=0), labelled, atol=0.01, rtol=0.15)
    assert blocks[0].logits.dtype == np.float32


def test_same_seed_same_rows() -> None:
    one, two, other = (draw_world(seed, "heavy", "bad") for seed in (3, 3, 4))
    assert (one.labelled(500).logits == two.labelled(500).logits).all()
    assert (next(one.fresh(500)).logits == next(two.fresh(500)).logits).all()
    assert (one.labelled(500).logits != other.labelled(500).logits).any()
    assert (one.labelled(500).logits != next(one.fresh(500)).logits).any()


@pytest.mark.parametrize("tails", TAILS)
def test_errors_have_variance_one_and_the_tails_asked_for(tails: str) -> None:
    drawn = errors(draw_world(0, tails, "good"))
    assert drawn.mean() == pytest.approx(0, abs=0.02)
    assert drawn.var() == pytest.approx(1, abs=0.05)
    excess = kurtosis(drawn[0].ravel())
    assert excess > 1 if tails == "heavy" else abs(excess) < 0.05


def test_heavy_tails_are_those_of_students_t() -> None:
    """Quantiles of t (4) divided by its standard deviation, the square root of 2."""
    drawn = draw_world(0, "heavy", "good")._errors(np.random.default_rng(0), (400_000,))
    levels = [0.001, 0.01, 0.1, 0.3, 0.9, 0.99, 0.999]
    assert np.quantile(drawn, levels) == pytest.approx(t.ppf(levels, 4) / np.sqrt(2), rel=0.05)


def test_errors_are_shared_by_models_and_by_groups() -> None:
    world = draw_world(0, "light", "good")
    drawn = errors(world)
    assert np.corrcoef(drawn[0].ravel(), drawn[1].ravel())[0, 1] == pytest.approx(0.7, abs=0.02)
    groups = world.draw(40_000, np.random.default_rng(0)).groups
    same = np.flatnonzero(np.diff(groups) == 0)
    alike = np.corrcoef(drawn[0][same].ravel(), drawn[0][same + 1].ravel())[0, 1]
    assert alike == pytest.approx(0.7 * 0.3, abs=0.02)


def test_a_model_of_less_skill_shows_less_of_signal_and_shared_error() -> None:
    world = draw_world(0, "light", "good")
    skill = np.array([1.0, 1.0, 0.25, 0.0, 0.0], np.float32)[:, None] + np.zeros_like(world.skill)
    rows = replace(world, skill=skill).draw(40_000, np.random.default_rng(0))
    logits = rows.logits / world.scale[:, None, None] - world.prior
    empty = ~rows.known_labels
    spread = [one[empty].var() for one in logits]
    assert spread == pytest.approx([1.0, 1.0, 0.3 + 0.7 / 16, 0.3, 0.3], abs=0.03)
    assert np.corrcoef(logits[0][empty], logits[2][empty])[0, 1] == pytest.approx(0.7 / 4 / np.sqrt(0.3 + 0.7 / 16), abs=0.03)
    gained = (logits[2][:, -1][~empty[:, -1]].mean() - logits[2][:, -1][empty[:, -1]].mean()) / world.signal[-1]
    assert gained == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize("apart", [0.0, 0.3])
def test_networks_of_a_model_differ_by_the_share_asked_for(apart: float) -> None:
    world = draw_world(0, "light", "good")
    one, two = world.draw_networks(20_000, np.random.default_rng(0), 2, apart)
    assert (one.known_labels == two.known_labels).all()
    scale = world.scale[0]
    assert ((one.logits[0] - two.logits[0]) / scale).var() == pytest.approx(2 * apart, abs=0.02)


def test_bad_members_are_bad_in_their_own_ways() -> None:
    rows = draw_world(0, "light", "bad").labelled(5000)
    logits = dict(zip(rows.models, rows.logits, strict=True))
    labels = rows.known_labels
    gap = {
        model: np.mean([one[has].mean() - one[~has].mean() for one, has in zip(z.T, labels.T, strict=True)]) for model, z in logits.items()
    }
    assert abs(gap["coin"]) < 0.1
    assert set(np.unique(logits["sure"])) == {-SURE, SURE}
    assert 0.1 < gap["one-channel"] < 0.8 * gap["model-0"]


def test_folds_keep_groups_together() -> None:
    rows = draw_world(0, "light", "good").labelled(COUNT)
    assert sorted(set(rows.folds.tolist())) == [0, 1, 2, 3, 4]
    assert all(len(set(rows.folds[rows.groups == group].tolist())) == 1 for group in range(50))


def test_fewer_classes_keep_all_frequencies() -> None:
    rows = draw_world(0, "light", "good", classes=10).labelled(COUNT)
    images = rows.known_labels.sum(axis=0)
    assert len(images) == 10
    assert images.min() < 20
    assert images.max() > 600


def test_fresh_scores_are_those_of_all_rows_at_once_and_of_parts() -> None:
    world = draw_world(0, "light", "good", classes=6)
    recipe = Recipe(blenders=({"name": "mean"}, {"name": "best_single"}), thresholds=({"name": "exact"}, {"name": "bagged"}))
    stacks = recipe.candidates().fit(world.labelled(1000))
    joined = np.concatenate([rows.logits for rows in world.fresh(24_000)], axis=1)
    labels = np.concatenate([rows.known_labels for rows in world.fresh(24_000)])
    rows = Rows(joined, world.models, np.zeros(24_000, np.int8), np.arange(24_000))
    scores = fresh_scores(stacks, world, 24_000)
    for number, stack in enumerate(stacks):
        decisions = stack.decide(stack.blended(rows))[0]
        assert scores.pooled[number] == pytest.approx(macro_f1(labels, decisions))
        parts = [macro_f1(labels[first : first + PART], decisions[first : first + PART]) for first in range(0, 24_000, PART)]
        assert scores.in_parts[number] == pytest.approx(np.mean(parts))


def test_f1_of_few_rows_is_lower_by_what_the_docstring_says() -> None:
    rng = np.random.default_rng(0)
    hits, others = rng.poisson(6, 200_000), rng.poisson(9, 200_000)
    loss = 2 * 6 / (2 * 6 + 9) - np.mean(2 * hits / np.maximum(2 * hits + others, 1))
    assert loss == pytest.approx(2 * 0.4 * 0.6 / (15 * 1.4**3), rel=0.25)
    assert loss == pytest.approx(0.01, abs=0.004)


@pytest.mark.parametrize(("tails", "members"), [("fat", "good"), ("light", "ugly")])
def test_unknown_worlds_are_refused(tails: str, members: str) -> None:
    with pytest.raises(ValueError, match="there are no"):
        draw_world(0, tails, members)
