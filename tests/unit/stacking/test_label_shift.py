"""The label shift of synthetic rows with known priors, and changes that must not be taken for one."""

import numpy as np
import pytest

from comp.metrics.f1_search import NEVER
from comp.metrics.logits import sigmoid
from comp.metrics.macro_f1 import macro_f1
from comp.stacking.label_shift import FOLLOWED, LEAST, estimate, shifted_prior
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.thresholds.bagged import build as bagged

PRIORS = np.array([0.4, 0.25, 0.15, 0.1, 0.1, 0.06, 0.05, 0.04, 0.01, 0.004])  # of 3,000 rows: the last two are too rare
TIMES = np.array([0.5, 1, 2, 3, 0.3, 1, 3, 1, 3, 3])


def drawn(seed: int, count: int, priors: np.ndarray = PRIORS, sharpness: float = 1.0) -> PredictionSet:
    rng = np.random.default_rng(seed)
    labels = rng.random((count, len(priors))) < priors
    logits = 3 * labels + 1.3 * rng.normal(size=labels.shape) - 2.5
    return PredictionSet((sharpness * logits)[None].astype(np.float32), ("blend",), np.zeros(count, np.int8), np.arange(count), labels)


def em(probs: np.ndarray, prior: float) -> float:
    """The algorithm of Saerens et al. as they print it (2.3), to convergence."""
    now = prior
    for _ in range(20_000):
        odds = probs * now / prior, (1 - probs) * (1 - now) / (1 - prior)
        before, now = now, (odds[0] / (odds[0] + odds[1])).mean()
        if abs(now - before) < 1e-12:
            break
    return now


@pytest.mark.parametrize(("prior", "truth"), [(0.1, 0.25), (0.1, 0.04), (0.5, 0.8), (0.03, 0.03)])
def test_the_prior_is_the_fixed_point_of_em(prior: float, truth: float) -> None:
    rng = np.random.default_rng(0)
    is_positive = rng.random(1500) < truth
    probs = sigmoid(2 * (2 * is_positive + rng.normal(size=1500) - 1) + np.log(prior / (1 - prior)))
    assert shifted_prior(probs, prior) == pytest.approx(em(probs, prior), rel=1e-6)


def test_probabilities_of_0_and_1_and_priors_beyond_a_factor_of_ten() -> None:
    assert shifted_prior(np.array([0.0] * 70 + [1.0] * 30), 0.1) == pytest.approx(0.3)
    assert shifted_prior(np.zeros(100), 0.2) == pytest.approx(1 / 41)  # odds of a tenth of 1 : 4
    assert shifted_prior(np.ones(100), 0.2) == pytest.approx(2.5 / 3.5)


def test_priors_are_found_and_rare_classes_are_left_alone() -> None:
    found = [estimate(drawn(seed, 3000), drawn(seed + 100, 2500, PRIORS * TIMES)) for seed in range(12)]
    large = PRIORS * 3000 > LEAST * 1.5
    ratios = np.array([shift.test[large] for shift in found]) / (PRIORS * TIMES)[large]
    assert abs(ratios.mean(axis=0) - 1).max() < 0.12
    assert ratios.std(axis=0).max() < 0.35  # 75 rows of one class
    for shift in found:
        assert np.isnan([shift.test[8:], shift.p_values[8:], shift.fits[8:]]).all()
        assert (shift.moves[8:] == 0).all()
    moved = np.array([shift.moves for shift in found])
    assert (moved[:, (TIMES > 1) & large] < 0).all()  # more frequent: predicted sooner
    assert (moved[:, (TIMES < 1) & large] > 0).all()


def test_corrected_thresholds_score_higher_on_shifted_rows() -> None:
    gains = []
    for seed in range(10):
        train, test = drawn(seed, 3000), drawn(seed + 100, 2500, PRIORS * TIMES)
        thresholds = bagged().fit(train)
        corrected = estimate(train, test.unlabelled()).corrected(thresholds)
        gains.append(macro_f1(test.known_labels, test.logits[0] >= corrected) - macro_f1(test.known_labels, test.logits[0] >= thresholds))
    assert np.mean(gains) > 3 * np.std(gains) / np.sqrt(len(gains))
    assert np.mean(gains) > 0.005


def test_classes_with_too_few_positives_or_negatives_are_left_alone() -> None:
    count = 2000
    labels = np.arange(count)[:, None] < [LEAST - 1, LEAST, count - LEAST, count - LEAST + 1, 0, count]
    logits = (3 * labels + np.random.default_rng(0).normal(size=labels.shape)).astype(np.float32)
    train = PredictionSet(logits[None], ("blend",), np.zeros(count, np.int8), np.arange(count), labels)
    shift = estimate(train, train.take(np.r_[:400, 1700:1900]))
    assert np.isnan(shift.test).tolist() == [True, False, False, True, True, True]
    assert (shift.moves[[0, 3, 4, 5]] == 0).all()


def test_without_shift_no_more_classes_are_significant_than_the_level_says() -> None:
    level, tests, significant = 0.05, 0, 0
    for seed in range(25):
        shift = estimate(drawn(seed, 1500), drawn(seed + 100, 1000), level)
        tests += int((~np.isnan(shift.p_values)).sum())
        significant += int((shift.p_values < level).sum())
        assert ((shift.moves != 0) <= (shift.p_values < level)).all()
    assert tests > 150
    error = np.sqrt(level * (1 - level) * tests)
    assert significant < level * tests + 3 * error
    assert significant > 0


def test_groups_that_look_alike_count_once() -> None:
    """Every image six times: taken as independent rows, each looks like six pieces of evidence of a shift."""
    apart, together = [], []
    for seed in range(20):
        for groups, found in ((None, apart), (np.repeat(np.arange(300), 6), together)):
            train, test = (drawn(number, 300, PRIORS[:4]).take(np.repeat(np.arange(300), 6)) for number in (seed, seed + 100))
            own = np.arange(1800) if groups is None else groups
            train, test = (
                PredictionSet(predictions.logits, predictions.models, predictions.folds, own, predictions.labels)
                for predictions in (train, test)
            )
            found += estimate(train, test).p_values.tolist()
    assert np.nanmean(np.array(apart) < 0.05) > 0.25
    assert np.nanmean(np.array(together) < 0.05) < 0.12


def test_scores_that_are_more_certain_are_no_shift_of_labels() -> None:
    """As those of means over folds are."""
    shift = estimate(drawn(0, 3000), drawn(1, 2500, sharpness=1.4))
    assert (shift.p_values[:8] < 0.01).any()
    assert (shift.moves == 0).all()


def test_thresholds_follow_by_half_of_the_change_in_log_odds() -> None:
    """Where the curve is known, logit p = 3 / 1.69 score + ..., the slope is that of the scores' own distribution."""
    train, test = drawn(0, 60_000, np.array([0.1])), drawn(1, 60_000, np.array([0.3]))
    change = np.log(0.3 / 0.7) - np.log(0.1 / 0.9)
    shift = estimate(train, test)
    assert shift.moves[0] == pytest.approx(-FOLLOWED * change / (3 / 1.3**2), rel=0.05)
    assert shift.corrected(np.array([1.0]))[0] == 1 + shift.moves[0]
    assert estimate(train, test).corrected(np.array([NEVER]))[0] == NEVER


def test_order_of_rows_does_not_matter() -> None:
    train, test = drawn(0, 1500), drawn(1, 1000, PRIORS * TIMES)
    rng = np.random.default_rng(0)
    one, two = estimate(train, test), estimate(train.take(rng.permutation(1500)), test.take(rng.permutation(1000)))
    for name in ("train", "test", "p_values", "fits", "moves"):
        assert np.allclose(getattr(one, name), getattr(two, name), rtol=0, atol=1e-9, equal_nan=True)


def test_scores_without_information_move_nothing() -> None:
    train, test = drawn(0, 1500), drawn(1, 1000)
    for logits in (np.zeros_like, lambda values: -values):
        blind = [
            PredictionSet(logits(predictions.logits), predictions.models, predictions.folds, predictions.groups, predictions.labels)
            for predictions in (train, test)
        ]
        shift = estimate(*blind)
        assert (shift.moves == 0).all()
        assert np.isfinite(shift.test[:6]).all()


def test_rows_without_labels_or_with_other_classes_are_refused() -> None:
    predictions = drawn(0, 200)
    with pytest.raises(ValueError, match="no labels"):
        estimate(predictions.unlabelled(), predictions)
    with pytest.raises(ValueError, match="10 classes, test rows 3"):
        estimate(predictions, predictions.of_classes([0, 1, 2]))
