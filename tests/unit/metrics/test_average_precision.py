import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from comp.metrics.average_precision import AveragePrecisionBootstrap, average_precision

GENERATOR = np.random.default_rng(0)
LABELS = GENERATOR.random((120, 4)) < [0.5, 0.2, 0.05, 0.0]
SCORES = np.round(GENERATOR.normal(size=(120, 4)) + LABELS, 1)  # with ties
GROUPS = GENERATOR.integers(30, size=120)


@pytest.mark.parametrize("seed", range(20))
def test_average_precision_is_scikit_learns_with_ties_and_weights(seed):
    generator = np.random.default_rng(seed)
    count = int(generator.integers(2, 300))
    is_positive = generator.random(count) < generator.choice([0.02, 0.3, 0.95])
    is_positive[generator.integers(count)] = True
    scores = (generator.normal(size=count) + generator.choice([-1, 0, 2]) * is_positive).round(seed % 3).astype(np.float32)
    counts = generator.poisson(1.0, (5, count)).astype(np.float32)
    assert average_precision(scores, is_positive) == pytest.approx([average_precision_score(is_positive, scores)])
    for found, times in zip(average_precision(scores, is_positive, counts), counts, strict=True):
        if times[is_positive].any():
            assert found == pytest.approx(average_precision_score(is_positive, scores, sample_weight=times))
        else:
            assert np.isnan(found)


def test_average_precision_without_positives_is_nan():
    nothing = np.zeros(4, bool)
    assert np.isnan(average_precision(np.arange(4.0), nothing)).tolist() == [True]
    assert np.isnan(average_precision(np.arange(4.0), nothing, np.ones((3, 4)))).tolist() == [True] * 3


def test_the_value_is_scikit_learns_mean_over_the_classes_that_occur():
    expected = np.mean([average_precision_score(LABELS[:, column], SCORES[:, column]) for column in range(3)])
    assert AveragePrecisionBootstrap(LABELS, GROUPS, 5, seed=0).score(SCORES).value == pytest.approx(expected)


def test_every_resample_has_the_score_of_its_rows():
    bootstrap = AveragePrecisionBootstrap(LABELS, GROUPS, 8, seed=1)
    scored = bootstrap.score(SCORES)
    for resampled, counts in zip(scored.resampled, bootstrap.counts[1:], strict=True):
        rows = np.repeat(np.arange(120), counts.astype(int))
        present = [column for column in range(4) if LABELS[rows, column].any()]
        assert resampled == pytest.approx(
            np.mean([average_precision_score(LABELS[rows, column], SCORES[rows, column]) for column in present])
        )
        for group in np.unique(GROUPS):
            assert len(np.unique(counts[group == GROUPS])) == 1


def test_a_model_does_not_differ_from_itself():
    bootstrap = AveragePrecisionBootstrap(LABELS, GROUPS, 20, seed=0)
    gain = bootstrap.score(SCORES).gain_over(bootstrap.score(SCORES * 2))
    assert (gain.value, gain.error) == (0, 0)


def test_a_class_of_a_single_group_has_an_error_all_the_same():
    """A third of the resamples hold no positive, and say nothing."""
    labels = np.zeros((60, 2), bool)
    labels[4:6, 0] = True
    bootstrap = AveragePrecisionBootstrap(labels, np.arange(60) // 2, 200, seed=0)
    scored = bootstrap.score(GENERATOR.normal(size=(60, 2)))
    assert 0.4 * 200 < len(scored.resampled) < 0.9 * 200
    assert np.isfinite(scored.resampled).all()
