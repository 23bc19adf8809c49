"""Calibrators against scikit-learn and brute force, and what they must survive."""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from comp.metrics.calibration import CALIBRATORS, Calibrator, Isotonic, Platt, cross_fitted
from comp.metrics.logits import sigmoid

KINDS = sorted(CALIBRATORS)


def drawn(seed: int = 0, count: int = 400, share: float = 0.2, skill: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    is_positive = rng.random(count) < share
    return (skill * is_positive + rng.normal(size=count) - 1).astype(np.float32), is_positive


@pytest.mark.parametrize(("share", "scale"), [(0.2, 1.0), (0.01, 1.0), (0.9, 5.0), (0.2, 0.01)])
def test_platt_is_logistic_regression_on_smoothed_targets(share: float, scale: float) -> None:
    """Each row counts as a positive by its target and as a negative by the rest, without a penalty."""
    scores, is_positive = drawn(share=share)
    scores = scores * scale
    positives, negatives = is_positive.sum(), (~is_positive).sum()
    targets = np.where(is_positive, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    reference = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000, solver="newton-cholesky")
    column = np.r_[scores, scores].astype(np.float64)[:, None]
    reference.fit(column, np.repeat([True, False], len(scores)), sample_weight=np.r_[targets, 1 - targets])
    found = Platt.fit(scores, is_positive)
    assert found.slope == pytest.approx(reference.coef_[0, 0], rel=1e-4)
    assert found.intercept == pytest.approx(reference.intercept_[0], rel=1e-4)


def test_platt_finds_the_curve_that_the_labels_come_from() -> None:
    rng = np.random.default_rng(0)
    scores = 2 * rng.normal(size=50_000)
    found = Platt.fit(scores, rng.random(50_000) < sigmoid(0.7 * scores - 1.5))
    assert (found.slope, found.intercept) == (pytest.approx(0.7, abs=0.03), pytest.approx(-1.5, abs=0.05))


def test_platt_of_perfectly_separated_classes_is_limited_by_the_targets() -> None:
    is_positive = np.arange(100) < 3
    found = Platt.fit(np.where(is_positive, 16.0, -16.0), is_positive)
    assert found.predict(np.array([16.0, -16.0])) == pytest.approx([4 / 5, 1 / 99])


@pytest.mark.parametrize("inverted", [False, True])
def test_platt_gives_the_share_if_scores_are_uninformative_or_inverted(inverted: bool) -> None:
    scores, is_positive = drawn()
    found = Platt.fit(-scores if inverted else np.full(400, 3.0, np.float32), is_positive)
    assert found.slope == 0
    targets = np.where(is_positive, (is_positive.sum() + 1) / (is_positive.sum() + 2), 1 / ((~is_positive).sum() + 2))
    assert found.predict(scores) == pytest.approx(np.full(400, targets.mean()))


def test_isotonic_is_scikit_learns() -> None:
    scores, is_positive = drawn()
    scores = scores.round(1)
    grid = np.linspace(-6, 6, 500)
    reference = IsotonicRegression(out_of_bounds="clip").fit(scores.astype(np.float64), is_positive)
    assert np.allclose(Isotonic.fit(scores, is_positive).predict(grid), reference.predict(grid))


@pytest.mark.parametrize("name", KINDS)
class TestEveryCalibrator:
    @pytest.fixture
    def kind(self, name: str) -> type[Calibrator]:
        return CALIBRATORS[name]

    def test_probabilities_rise_with_scores_and_mean_the_share(self, kind: type[Calibrator]) -> None:
        scores, is_positive = drawn(count=4000)
        probs = kind.fit(scores, is_positive).predict(scores)
        assert (np.diff(probs[np.argsort(scores)]) >= 0).all()
        assert probs.mean() == pytest.approx(is_positive.mean(), abs=1e-3)

    def test_score_at_is_the_lowest_score_that_reaches_the_probability(self, kind: type[Calibrator]) -> None:
        scores, is_positive = drawn()
        fitted = kind.fit(scores, is_positive)
        grid = np.linspace(-8, 8, 16_001)
        reached = fitted.predict(grid)
        for prob in np.linspace(reached.min() + 1e-3, reached.max() - 1e-3, 50):
            assert fitted.score_at(prob) == pytest.approx(grid[np.argmax(reached >= prob)], abs=2e-3)

    def test_probabilities_that_no_score_or_every_score_reaches(self, kind: type[Calibrator]) -> None:
        scores, is_positive = np.zeros(50, np.float32), np.arange(50) < 20
        fitted = kind.fit(scores, is_positive)
        assert fitted.score_at(0.9) == np.inf
        assert fitted.score_at(0.1) == -np.inf

    @pytest.mark.parametrize("positives", [0, 1, 49, 50])
    @pytest.mark.parametrize("size", [0.0, 16.0, 700.0])
    def test_few_positives_ties_and_extreme_scores(self, kind: type[Calibrator], positives: int, size: float) -> None:
        is_positive = np.arange(50) < positives
        for scores in (
            np.full(50, size),
            np.where(is_positive, size, -size),
            np.where(np.arange(50) % 2, size, -size),
            np.where(is_positive, -size, size),
        ):
            probs = kind.fit(scores.astype(np.float32), is_positive).predict(scores)
            assert ((probs >= 0) & (probs <= 1)).all()

    def test_cross_fitting_is_the_explicit_loop(self, kind: type[Calibrator]) -> None:
        scores, is_positive = drawn()
        folds = np.arange(400) % 4
        probs = cross_fitted(kind, scores, is_positive, folds)
        for fold in range(4):
            assert (
                probs[folds == fold] == kind.fit(scores[folds != fold], is_positive[folds != fold]).predict(scores[folds == fold])
            ).all()

    def test_own_labels_do_not_touch_cross_fitted_probabilities(self, kind: type[Calibrator]) -> None:
        scores, is_positive = drawn()
        folds = np.arange(400) % 4
        other = np.where(folds == 2, ~is_positive, is_positive)
        one, two = (cross_fitted(kind, scores, labels, folds) for labels in (is_positive, other))
        assert (one[folds == 2] == two[folds == 2]).all()
        assert (one != two).any()

    def test_a_fold_whose_others_have_one_outcome_gets_the_curve_of_all_rows(self, kind: type[Calibrator]) -> None:
        scores, _ = drawn()
        folds = np.arange(400) % 4
        is_positive = np.arange(400) == 7
        whole = kind.fit(scores, is_positive).predict(scores)
        assert (cross_fitted(kind, scores, is_positive, folds)[folds == 3] == whole[folds == 3]).all()
        assert (cross_fitted(kind, scores, is_positive, np.zeros(400, int)) == whole).all()
