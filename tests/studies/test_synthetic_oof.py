"""Synthetic out-of-fold predictions have the shares, errors and members that were asked for."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kurtosis, t

from comp.metrics.macro_f1 import macro_f1
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.recipe import Recipe
from tests.studies.synthetic_oof import CELLS, SAMPLE, SURE, TAILS, World, draw_world, fresh_scores

COUNT = 2000


def errors(world: World, count: int = 40_000) -> np.ndarray:
    """(M, N, C) logits of models of skill 1 without scale, prior and signal."""
    world = replace(world, skill=np.ones_like(world.skill))
    drawn = world.draw(count, np.random.default_rng(0))
    return drawn.logits / world.scale[:, None, None] - world.prior - drawn.known_labels * world.signal


@pytest.mark.parametrize("cell", CELLS)
def test_rare_classes_have_a_few_images_and_every_row_has_a_label(cell: tuple[str, str]) -> None:
    images = np.array([draw_world(seed, *cell).labelled(COUNT).known_labels.sum(axis=0) for seed in range(5)])
    assert (images.min(axis=1) >= 3).all()
    assert (images.min(axis=1) <= 12).all()
    assert (images.max(axis=1) >= 600).all()
    for block in draw_world(0, *cell).fresh(25_000):
        assert block.known_labels.any(axis=1).all()


def test_fresh_rows_are_drawn_like_the_labelled_ones() -> None:
    world = draw_world(1, "light", "good")
    labelled = np.mean([world.draw(COUNT, np.random.default_rng(seed)).known_labels.mean(axis=0) for seed in range(20)], axis=0)
    blocks = list(world.fresh(45_000))
    fresh = np.concatenate([block.known_labels for block in blocks])
    assert [len(block) for block in blocks] == [10_000] * 4 + [5000]
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
    found = errors(draw_world(0, tails, "good"))
    assert found.mean() == pytest.approx(0, abs=0.02)
    assert found.var() == pytest.approx(1, abs=0.05)
    excess = kurtosis(found[0].ravel())
    assert excess > 1 if tails == "heavy" else abs(excess) < 0.05


def test_heavy_tails_are_those_of_students_t() -> None:
    """Quantiles of t (4) divided by its standard deviation, the square root of 2."""
    found = draw_world(0, "heavy", "good")._errors(np.random.default_rng(0), (400_000,))
    levels = [0.001, 0.01, 0.1, 0.3, 0.9, 0.99, 0.999]
    assert np.quantile(found, levels) == pytest.approx(t.ppf(levels, 4) / np.sqrt(2), rel=0.05)


def test_errors_are_shared_by_models_and_by_groups() -> None:
    world = draw_world(0, "light", "good")
    found = errors(world)
    assert np.corrcoef(found[0].ravel(), found[1].ravel())[0, 1] == pytest.approx(0.7, abs=0.02)
    groups = world.draw(40_000, np.random.default_rng(0)).groups
    same = np.flatnonzero(np.diff(groups) == 0)
    correlation = np.corrcoef(found[0][same].ravel(), found[0][same + 1].ravel())[0, 1]
    assert correlation == pytest.approx(0.7 * 0.3, abs=0.02)


def test_less_skill_means_less_signal_and_less_shared_error() -> None:
    world = draw_world(0, "light", "good")
    skill = np.array([1.0, 1.0, 0.25, 0.0, 0.0], np.float32)[:, None] + np.zeros_like(world.skill)
    drawn = replace(world, skill=skill).draw(40_000, np.random.default_rng(0))
    logits = drawn.logits / world.scale[:, None, None] - world.prior
    empty = ~drawn.known_labels
    spread = [one[empty].var() for one in logits]
    assert spread == pytest.approx([1.0, 1.0, 0.3 + 0.7 / 16, 0.3, 0.3], abs=0.03)
    assert np.corrcoef(logits[0][empty], logits[2][empty])[0, 1] == pytest.approx(0.7 / 4 / np.sqrt(0.3 + 0.7 / 16), abs=0.03)
    gap = (logits[2][:, -1][~empty[:, -1]].mean() - logits[2][:, -1][empty[:, -1]].mean()) / world.signal[-1]
    assert gap == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize("apart", [0.0, 0.3])
def test_networks_of_a_model_differ_by_the_share_asked_for(apart: float) -> None:
    world = draw_world(0, "light", "good")
    one, two = world.draw_networks(20_000, np.random.default_rng(0), 2, apart)
    assert (one.known_labels == two.known_labels).all()
    scale = world.scale[0]
    assert ((one.logits[0] - two.logits[0]) / scale).var() == pytest.approx(2 * apart, abs=0.02)


def test_each_bad_member_has_its_own_fault() -> None:
    labelled = draw_world(0, "light", "bad").labelled(5000)
    logits = dict(zip(labelled.models, labelled.logits, strict=True))

    def mean_gap(of_model: np.ndarray) -> float:
        classes = zip(of_model.T, labelled.known_labels.T, strict=True)
        return float(np.mean([one[is_positive].mean() - one[~is_positive].mean() for one, is_positive in classes]))

    gap = {model: mean_gap(of_model) for model, of_model in logits.items()}
    assert abs(gap["coin"]) < 0.1
    assert set(np.unique(logits["sure"])) == {-SURE, SURE}
    assert 0.1 < gap["one-channel"] < 0.8 * gap["model-0"]


def test_folds_keep_groups_together() -> None:
    labelled = draw_world(0, "light", "good").labelled(COUNT)
    assert sorted(set(labelled.folds.tolist())) == [0, 1, 2, 3, 4]
    assert all(len(set(labelled.folds[labelled.groups == group].tolist())) == 1 for group in range(50))


def test_fewer_classes_keep_all_frequencies() -> None:
    labelled = draw_world(0, "light", "good", classes=10).labelled(COUNT)
    images = labelled.known_labels.sum(axis=0)
    assert len(images) == 10
    assert images.min() < 20
    assert images.max() > 600


def test_fresh_scores_are_those_of_all_rows_and_of_samples() -> None:
    world = draw_world(0, "light", "good", classes=6)
    recipe = Recipe(blenders=({"name": "mean"}, {"name": "best_single"}), thresholds=({"name": "exact"}, {"name": "bagged"}))
    stacks = recipe.candidates().fit(world.labelled(1000))
    joined = np.concatenate([block.logits for block in world.fresh(24_000)], axis=1)
    labels = np.concatenate([block.known_labels for block in world.fresh(24_000)])
    fresh = PredictionSet(joined, world.models, np.zeros(24_000, np.int8), np.arange(24_000))
    scores = fresh_scores(stacks, world, 24_000)
    for number, stack in enumerate(stacks):
        decisions = stack.decide(stack.blended(fresh))[0]
        assert scores.pooled[number] == pytest.approx(macro_f1(labels, decisions))
        samples = [macro_f1(labels[first : first + SAMPLE], decisions[first : first + SAMPLE]) for first in range(0, 24_000, SAMPLE)]
        assert scores.in_samples[number] == pytest.approx(np.mean(samples))


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
