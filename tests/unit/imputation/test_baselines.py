import itertools

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from comp.images.input_channels import InputChannels
from comp.images.pixel_moments import pixel_moments
from comp.imputation.baselines import copied, regressed

GENERATOR = np.random.default_rng(0)
BASE = GENERATOR.integers(20, 120, (8, 12, 10, 1))
IMAGES = (BASE * [1.0, 0.5, 1.3] + GENERATOR.integers(0, 60, (8, 12, 10, 3))).astype(np.uint8)
TRAIN, NEW = IMAGES[:5], IMAGES[5:]
MOMENTS = pixel_moments(TRAIN, InputChannels((0, 1, 2)), np.arange(5))
SUBSETS = [np.array(row, bool) for row in itertools.product([0, 1], repeat=3) if 0 < sum(row) < 3]


@pytest.mark.parametrize("given", SUBSETS, ids=str)
def test_the_regression_is_that_of_scikit_learn(given):
    pixels = TRAIN.reshape(-1, 3).astype(float)
    expected = LinearRegression().fit(pixels[:, given], pixels).predict(NEW.reshape(-1, 3)[:, given].astype(float))
    found = regressed(NEW, given, MOMENTS).reshape(-1, 3)
    np.testing.assert_allclose(found[:, ~given], expected[:, ~given].clip(0, 255), atol=0.51)
    np.testing.assert_array_equal(found[:, given], NEW.reshape(-1, 3)[:, given])


@pytest.mark.parametrize("given", SUBSETS, ids=str)
def test_a_copy_has_the_mean_and_the_deviation_of_the_channel_it_replaces(given):
    found = copied(TRAIN, given, MOMENTS)
    np.testing.assert_array_equal(found[..., given], TRAIN[..., given])
    for column in np.flatnonzero(~given):
        assert found[..., column].mean() == pytest.approx(MOMENTS.mean[column], abs=1)
        assert found[..., column].std() == pytest.approx(MOMENTS.deviation[column], rel=0.03)


def test_equal_channels_are_no_error():
    same = np.repeat(TRAIN[..., :1], 3, axis=-1)
    moments = pixel_moments(same, InputChannels((0, 1, 2)), np.arange(5))
    np.testing.assert_array_equal(regressed(same, np.array([True, True, False]), moments), same)
