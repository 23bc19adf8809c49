"""Each threshold rule against a slow, simple version, and the contract of all rules."""

import numpy as np
import pytest

from comp.base import registry
from comp.base.errors import ConfigError
from comp.metrics.f1_search import NEVER, best_thresholds
from comp.metrics.macro_f1 import f1_from_counts, macro_f1
from comp.stacking.candidates import ThresholdRule
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.thresholds.bagged import best_in_bags


def drawn(seed: int = 0, count: int = 400, positives: tuple[float, ...] = (0.02, 0.1, 0.3, 0.7)) -> PredictionSet:
    rng = np.random.default_rng(seed)
    labels = rng.random((count, len(positives))) < positives
    logits = (1.5 * labels + rng.normal(size=(1, count, len(positives))) - 1).astype(np.float32)
    return PredictionSet(logits, ("blend",), np.arange(count, dtype=np.int8) % 5, np.arange(count), labels)


def slow_bag(scores: np.ndarray, is_positive: np.ndarray, times: np.ndarray) -> float:
    """The threshold with the highest F1 when row i counts times[i] times, trying the score of every positive; the highest among equals."""
    best = (-1.0, 0.0)
    for threshold in sorted(set(scores[is_positive]), reverse=True):
        above = scores >= threshold
        counts = (times[above & is_positive].sum(), times[above & ~is_positive].sum(), times[~above & is_positive].sum())
        best = max(best, (float(f1_from_counts(*map(np.array, counts))), threshold), key=lambda pair: pair[0])
    lower = scores[scores < best[1]]
    return (best[1] + lower.max()) / 2 if lower.size else best[1] - 1


@pytest.mark.parametrize("ties", [False, True])
def test_bags_are_those_of_an_explicit_loop(ties: bool) -> None:
    """The counts per threshold, assigned to rows, give each bag's threshold by brute force; the rule returns their mean."""
    predictions = drawn(1, count=60)
    scores, is_positive = predictions.logits[0][:, 2].astype(np.float64), predictions.known_labels[:, 2]
    scores = scores.round() if ties else scores
    candidates = np.array(sorted(set(scores[is_positive]), reverse=True))
    above = [scores >= threshold for threshold in candidates]
    new = [now & ~before for now, before in zip(above, [np.zeros(60, bool), *above[:-1]], strict=True)]
    hits, misses = (np.array([(each & kind).sum() for each in new]) for kind in (is_positive, ~is_positive))
    rng = np.random.default_rng(0)
    positive_draws, negative_draws = rng.poisson(hits, (50, len(candidates))), rng.poisson(misses, (50, len(candidates)))
    slow = []
    for bag in range(50):
        times = np.zeros(60)
        for each, positive, negative in zip(new, positive_draws[bag], negative_draws[bag], strict=True):
            for kind, drawn_count in ((is_positive, positive), (~is_positive, negative)):
                if (each & kind).any():
                    times[np.flatnonzero(each & kind)[0]] = drawn_count  # within one threshold it does not matter which row
        slow.append(slow_bag(scores, is_positive, times))
    single = PredictionSet(
        scores.astype(np.float32)[None, :, None], ("blend",), predictions.folds, predictions.groups, is_positive[:, None]
    )
    found = registry.build("thresholds", {"name": "bagged", "bags": 50, "seed": 0}).fit(single)[0]
    assert found == pytest.approx(np.mean(slow), abs=1e-6)


def test_bagged_agrees_with_a_bootstrap_of_rows() -> None:
    """Against resampling the rows themselves, to the accuracy of 400 bags."""
    predictions = drawn(2)
    found = registry.build("thresholds", {"name": "bagged", "bags": 400}).fit(predictions)
    rng = np.random.default_rng(1)
    bags = [
        best_thresholds(predictions.logits[0][picked], predictions.known_labels[picked]) for picked in rng.integers(400, size=(400, 400))
    ]
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
        predictions = drawn(seed, positives=(0.02,))
        for name, values in found.items():
            values.append(registry.build("thresholds", {"name": name}).fit(predictions)[0])
    assert np.std(found["bagged"]) < np.std(found["exact"])


def test_bagged_depends_on_its_seed_alone() -> None:
    predictions = drawn()
    one, again, other = (registry.build("thresholds", {"name": "bagged", "seed": seed}).fit(predictions) for seed in (0, 0, 1))
    assert (one == again).all()
    assert (one != other).any()


def test_exact_is_best_in_sample() -> None:
    predictions = drawn()
    scores = {}
    for name in registry.names("thresholds"):
        rule = registry.build("thresholds", {"name": name})
        scores[name] = macro_f1(predictions.known_labels, predictions.logits[0] >= rule.fit(predictions))
    assert scores["exact"] == max(scores.values())


EVERY = [{"name": name} for name in registry.names("thresholds")]
MORE = [
    {"name": "fixed", "at": 0.9},
    {"name": "plugin", "calibrator": "isotonic"},
    {"name": "ratio", "factor": 3},
    {"name": "ratio", "ratios": {0: 0.1}},
    {"name": "shrunk", "own": {"name": "exact"}, "k": 1},
    {"name": "shrunk", "own": {"name": "ratio", "ratios": {0: 0.1}}, "k": 0},
    {"name": "smoothed", "bandwidth": 3},
    {"name": "committee", "of": [{"name": "exact"}, {"name": "single"}]},
]
COMMON = ("fixed", "single", "shrunk")  # one threshold for classes of all kinds cannot fit each


@pytest.mark.parametrize("spec", EVERY + MORE, ids=str)
class TestEveryRule:
    """What no rule may depend on, and the edge cases each must handle."""

    @pytest.fixture
    def rule(self, spec: dict) -> ThresholdRule:
        return registry.build("thresholds", spec)

    @pytest.mark.parametrize("ties", [False, True])
    def test_order_of_rows_does_not_matter(self, rule: ThresholdRule, ties: bool) -> None:
        predictions = drawn()
        predictions = predictions.blended(predictions.logits[0].round()) if ties else predictions
        mixed = np.random.default_rng(5).permutation(len(predictions))
        assert np.allclose(rule.fit(predictions), rule.fit(predictions.take(mixed)), rtol=0, atol=1e-9)

    def test_absent_classes_are_never_predicted(self, rule: ThresholdRule) -> None:
        predictions = drawn()
        labels = predictions.known_labels.copy()
        labels[:, 1] = False
        thresholds = rule.fit(PredictionSet(predictions.logits, predictions.models, predictions.folds, predictions.groups, labels))
        assert thresholds[1] == NEVER
        assert np.isfinite(np.delete(thresholds, 1)).all()

    def test_rows_without_any_label(self, rule: ThresholdRule) -> None:
        predictions = drawn(positives=(0.0, 0.0, 0.0))
        assert (rule.fit(predictions)[1:] == NEVER).all()

    def test_one_and_all_positives_and_ties_at_the_clip(self, rule: ThresholdRule, spec: dict) -> None:
        labels = np.zeros((50, 3), bool)
        labels[7, 0], labels[:, 1], labels[::2, 2] = True, True, True
        logits = np.where(np.random.default_rng(0).random((1, 50, 3)) < 0.5, -16, 16).astype(np.float32)
        for folds in (np.zeros(50, np.int8), np.arange(50, dtype=np.int8) % 5):
            thresholds = rule.fit(PredictionSet(logits, ("blend",), folds, np.arange(50), labels))
            assert np.isfinite(thresholds).all()
            if spec["name"] not in COMMON and spec.get("of") is None:
                assert (logits[0, :, 1] >= thresholds[1]).all()

    @pytest.mark.parametrize("score", [-16.0, 0.0, 16.0, 700.0])
    def test_rows_that_all_score_alike(self, rule: ThresholdRule, score: float) -> None:
        predictions = drawn(count=40, positives=(0.5, 0.9))
        assert np.isfinite(rule.fit(predictions.blended(np.full((40, 2), score)))).all()

    def test_a_single_row(self, rule: ThresholdRule) -> None:
        predictions = PredictionSet(
            np.float32([[[3.0, -2.0]]]), ("blend",), np.zeros(1, np.int8), np.zeros(1, np.int64), np.array([[True, True]])
        )
        assert np.isfinite(rule.fit(predictions)).all()

    def test_one_threshold_a_class(self, rule: ThresholdRule) -> None:
        for positives in ((0.02, 0.1, 0.3, 0.7), (0.2,)):
            thresholds = rule.fit(drawn(positives=positives))
            assert thresholds.dtype == np.float64
            assert thresholds.shape == (len(positives),)

    def test_rows_stay_as_they_are(self, rule: ThresholdRule) -> None:
        predictions, untouched = drawn(), drawn()
        rule.fit(predictions)
        assert (predictions.logits == untouched.logits).all()
        assert (predictions.known_labels == untouched.known_labels).all()


@pytest.mark.parametrize(
    "spec",
    [
        {"name": "fixed", "at": 0},
        {"name": "fixed", "at": 1},
        {"name": "fixed", "at": "nan"},
        {"name": "single", "at": 0.5},
        {"name": "smoothed", "bandwidth": 0},
        {"name": "smoothed", "bandwidth": "wide"},
        {"name": "smoothed", "bandwidth": "inf"},
        {"name": "plugin", "calibrator": "plat"},
        {"name": "ratio", "factor": -1},
        {"name": "ratio", "factor": "inf"},
        {"name": "ratio", "ratios": {0: 0}},
        {"name": "ratio", "ratios": {0: 1.5}},
        {"name": "ratio", "ratios": {-1: 0.5}},
        {"name": "ratio", "ratios": {"Nucleoplasm": 0.5}},
        {"name": "ratio", "ratios": [0.5]},
        {"name": "shrunk", "k": -1},
        {"name": "shrunk", "k": "inf"},
        {"name": "shrunk", "own": {"name": "exat"}},
        {"name": "shrunk", "own": {}},
        {"name": "shrunk", "own": {"name": "bagged", "bags": 0}},
        {"name": "committee", "of": []},
        {"name": "committee", "of": ["exact"]},
        {"name": "committee", "of": [{"name": "fixed", "at": 2}]},
    ],
    ids=str,
)
def test_options_that_do_not_fit_are_refused(spec: dict) -> None:
    with pytest.raises(ConfigError, match=r"^thresholds"):
        registry.build("thresholds", spec)
