"""The mean of the predictions of near-duplicates."""

import numpy as np
from scipy.special import expit, logit

from comp.stacking.averaged_copies import averaged
from comp.stacking.prediction_set import PredictionSet


def predictions(logits):
    models, count, _ = logits.shape
    return PredictionSet(
        logits.astype(np.float32), tuple(f"m{number}" for number in range(models)), np.zeros(count, np.int8), np.arange(count)
    )


def test_each_model_predicts_the_mean_probability_of_near_duplicates():
    logits = np.random.default_rng(0).normal(scale=4, size=(3, 7, 2))
    component = np.array([4, 0, 4, 1, 0, 4, 9])
    given = predictions(logits)
    before = given.logits.copy()
    found = averaged(given, component).logits
    np.testing.assert_array_equal(given.logits, before)
    for row in range(7):
        same = component == component[row]
        if same.sum() == 1:
            assert found[:, row].tobytes() == before[:, row].tobytes()
        else:
            np.testing.assert_allclose(found[:, row], logit(expit(before[:, same].astype(np.float64)).mean(axis=1)), rtol=1e-5, atol=1e-6)
            assert found[:, row].tobytes() == found[:, np.flatnonzero(same)[0]].tobytes()


def test_confident_predictions_lose_no_digits():
    logits = np.array([[[-600.0, 90.0, 700.0]], [[-600.0, 92.0, -700.0]]]).swapaxes(0, 1)  # one model, two rows
    found = averaged(predictions(logits), np.zeros(2, int)).logits[0]
    np.testing.assert_allclose(found[0], [-600, 90 + np.log(2) - np.log1p(np.exp(-2)), 0], atol=1e-4)
    assert (found[0] == found[1]).all()


def test_without_near_duplicates_the_rows_are_the_same():
    given = predictions(np.zeros((1, 3, 2)))
    assert averaged(given, np.array([2, 0, 1])) is given
