import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from comp.precision import PrecisionBootstrap

GENERATOR = np.random.default_rng(0)
LABELS = GENERATOR.random((120, 4)) < [0.5, 0.2, 0.05, 0.0]
SCORES = np.round(GENERATOR.normal(size=(120, 4)) + LABELS, 1)  # with ties
GROUPS = GENERATOR.integers(30, size=120)


def test_the_value_is_scikit_learns_mean_over_the_classes_that_occur():
    expected = np.mean([average_precision_score(LABELS[:, column], SCORES[:, column]) for column in range(3)])
    assert PrecisionBootstrap(LABELS, GROUPS, 5, seed=0).score(SCORES).value == pytest.approx(expected)


def test_every_draw_is_that_of_the_rows_drawn():
    bootstrap = PrecisionBootstrap(LABELS, GROUPS, 8, seed=1)
    scored = bootstrap.score(SCORES)
    for draw, weights in zip(scored.draws, bootstrap.weights[1:], strict=True):
        rows = np.repeat(np.arange(120), weights.astype(int))
        present = [column for column in range(4) if LABELS[rows, column].any()]
        assert draw == pytest.approx(np.mean([average_precision_score(LABELS[rows, column], SCORES[rows, column]) for column in present]))
        for group in np.unique(GROUPS):
            assert len(np.unique(weights[group == GROUPS])) == 1


def test_a_model_does_not_differ_from_itself():
    bootstrap = PrecisionBootstrap(LABELS, GROUPS, 20, seed=0)
    gain = bootstrap.score(SCORES).over(bootstrap.score(SCORES * 2))
    assert (gain.value, gain.error) == (0, 0)


def test_a_class_of_a_single_group_has_an_error_all_the_same():
    """A third of the resamples hold no positive, and say nothing."""
    labels = np.zeros((60, 2), bool)
    labels[4:6, 0] = True
    bootstrap = PrecisionBootstrap(labels, np.arange(60) // 2, 200, seed=0)
    scored = bootstrap.score(GENERATOR.normal(size=(60, 2)))
    assert 0.4 * 200 < len(scored.draws) < 0.9 * 200
    assert np.isfinite(scored.draws).all()
