"""Each threshold rule against a slow obvious version, and all of them under what must not matter."""

import numpy as np
import pytest

from comp import parts
from comp.cuts import NEVER, best_thresholds
from comp.metrics import f1_from_counts, macro_f1
from comp.rows import Rows
from comp.thresholds.bagged import best_in_bags


def drawn(seed: int = 0, count: int = 400, positives: tuple[float, ...] = (0.02, 0.1, 0.3, 0.7)) -> Rows:
    rng = np.random.default_rng(seed)
    labels = rng.random((count, len(positives))) < positives
    logits = (1.5 * labels + rng.normal(size=(1, count, len(positives))) - 1).astype(np.float32)
    return Rows(logits, ("blend",), np.arange(count, dtype=np.int8) % 5, np.arange(count), labels)


def slow_bag(scores: np.ndarray, has: np.ndarray, times: np.ndarray) -> float:
    """The cut of highest F1 when row i counts times[i] times, trying the score of every positive; the highest among equals."""
    best = (-1.0, 0.0)
    for cut in sorted(set(scores[has]), reverse=True):
        above = scores >= cut
        counts = (times[above & has].sum(), times[above & ~has].sum(), times[~above & has].sum())
        best = max(best, (float(f1_from_counts(*map(np.array, counts))), cut), key=lambda pair: pair[0])
    lower = scores[scores < best[1]]
    return (best[1] + lower.max()) / 2 if lower.size else best[1] - 1


@pytest.mark.parametrize("ties", [False, True])
def test_bags_are_those_of_an_explicit_loop(ties: bool) -> None:
    """The draws per cut, put back onto rows, give each bag's cut by brute force; the rule returns their mean."""
    rows = drawn(1, count=60)
    scores, has = rows.logits[0][:, 2].astype(np.float64), rows.known_labels[:, 2]
    scores = scores.round() if ties else scores
    cuts = np.array(sorted(set(scores[has]), reverse=True))
    above = [scores >= cut for cut in cuts]
    new = [now & ~before for now, before in zip(above, [np.zeros(60, bool), *above[:-1]], strict=True)]
    hits, misses = (np.array([(each & kind).sum() for each in new]) for kind in (has, ~has))
    rng = np.random.default_rng(0)
    positive_draws, negative_draws = rng.poisson(hits, (50, len(cuts))), rng.poisson(misses, (50, len(cuts)))
    slow = []
    for bag in range(50):
        times = np.zeros(60)
        for each, positive, negative in zip(new, positive_draws[bag], negative_draws[bag], strict=True):
            for kind, drawn_count in ((has, positive), (~has, negative)):
                if (each & kind).any():
                    times[np.flatnonzero(each & kind)[0]] = drawn_count  # within one cut it does not matter which row
        slow.append(slow_bag(scores, has, times))
    single = Rows(scores.astype(np.float32)[None, :, None], ("blend",), rows.folds, rows.groups, has[:, None])
    found = parts.build("thresholds", {"name": "bagged", "bags": 50, "seed": 0}).fit(single)[0]
    assert found == pytest.approx(np.mean(slow), abs=1e-6)


def test_bagged_agrees_with_a_bootstrap_of_rows() -> None:
    """Against resampling the rows themselves, to the accuracy of 400 bags."""
    rows = drawn(2)
    found = parts.build("thresholds", {"name": "bagged", "bags": 400}).fit(rows)
    rng = np.random.default_rng(1)
    bags = [best_thresholds(rows.logits[0][picked], rows.known_labels[picked]) for picked in rng.integers(400, size=(400, 400))]
    finite = np.where(np.isfinite(bags), bags, np.nan)
    error = np.nanstd(finite, axis=0) / 20
    assert (abs(found - np.nanmean(finite, axis=0)) < 5 * error + 0.02).all()


def test_bags_without_a_positive_are_left_out() -> None:
    rng = np.random.default_rng(0)
    best = best_in_bags(np.array([1]), np.array([3]), rng, 1000)
    assert 500 < len(best) < 750  # a Poisson(1) count is zero in 37 of 100 bags
    assert (best == 0).all()


def test_bagged_moves_less_than_exact_where_positives_are_few() -> None:
    found = {"exact": [], "bagged": []}
    for seed in range(40):
        rows = drawn(seed, positives=(0.02,))
        for name, values in found.items():
            values.append(parts.build("thresholds", {"name": name}).fit(rows)[0])
    assert np.std(found["bagged"]) < np.std(found["exact"])


def test_bagged_depends_on_its_seed_alone() -> None:
    rows = drawn()
    one, again, other = (parts.build("thresholds", {"name": "bagged", "seed": seed}).fit(rows) for seed in (0, 0, 1))
    assert (one == again).all()
    assert (one != other).any()


def test_exact_is_best_in_sample() -> None:
    rows = drawn()
    scores = {}
    for name in parts.names("thresholds"):
        rule = parts.build("thresholds", {"name": name})
        scores[name] = macro_f1(rows.known_labels, rows.logits[0] >= rule.fit(rows))
    assert scores["exact"] == max(scores.values())


@pytest.mark.parametrize("name", parts.names("thresholds"))
class TestEveryRule:
    """What no rule may depend on, and what it must survive."""

    def test_order_of_rows_does_not_matter(self, name: str) -> None:
        rows, rule = drawn(), parts.build("thresholds", {"name": name})
        mixed = np.random.default_rng(5).permutation(len(rows))
        assert (rule.fit(rows) == rule.fit(rows.take(mixed))).all()

    def test_absent_classes_are_never_predicted(self, name: str) -> None:
        rows, rule = drawn(), parts.build("thresholds", {"name": name})
        labels = rows.known_labels.copy()
        labels[:, 1] = False
        assert rule.fit(Rows(rows.logits, rows.models, rows.folds, rows.groups, labels))[1] == NEVER

    def test_one_and_all_positives_and_ties_at_the_clip(self, name: str) -> None:
        labels = np.zeros((50, 3), bool)
        labels[7, 0], labels[:, 1], labels[::2, 2] = True, True, True
        logits = np.where(np.random.default_rng(0).random((1, 50, 3)) < 0.5, -16, 16).astype(np.float32)
        rows = Rows(logits, ("blend",), np.zeros(50, np.int8), np.arange(50), labels)
        rule = parts.build("thresholds", {"name": name})
        thresholds = rule.fit(rows)
        assert np.isfinite(thresholds).all()
        assert (logits[0, :, 1] >= thresholds[1]).all()

    def test_one_threshold_a_class(self, name: str) -> None:
        thresholds = parts.build("thresholds", {"name": name}).fit(drawn())
        assert thresholds.dtype == np.float64
        assert thresholds.shape == (4,)
