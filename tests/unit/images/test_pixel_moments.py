import numpy as np
import pytest

from comp.images.input_channels import InputChannels
from comp.images.pixel_moments import pixel_moments

IMAGES = np.random.default_rng(0).integers(0, 200, (20, 5, 7, 3), dtype=np.uint8)
ALL = InputChannels((0, 1, 2))


def test_they_are_those_of_all_pixels_of_the_rows():
    rows = np.array([3, 5, 11])
    found = pixel_moments(IMAGES, ALL, rows)
    pixels = IMAGES[rows].reshape(-1, 3)
    np.testing.assert_allclose(found.mean, pixels.mean(axis=0))
    np.testing.assert_allclose(found.covariance, np.cov(pixels, rowvar=False, ddof=0))
    np.testing.assert_allclose(found.correlation, np.corrcoef(pixels, rowvar=False), atol=1e-12)
    np.testing.assert_allclose(found.deviation, pixels.std(axis=0))


def test_other_rows_are_not_looked_at():
    rows, changed = np.arange(10), IMAGES.copy()
    changed[10:] = 255
    np.testing.assert_array_equal(pixel_moments(changed, ALL, rows).covariance, pixel_moments(IMAGES, ALL, rows).covariance)


def test_of_many_rows_evenly_spaced_ones_are_taken_and_a_constant_channel_has_a_deviation():
    flat = IMAGES.copy()
    flat[..., 1] = 9
    found = pixel_moments(flat, ALL, np.arange(20), most=3)
    assert found.mean[0] == pytest.approx(flat[[0, 9, 19], ..., 0].mean())
    assert found.deviation[1] == 1
    np.testing.assert_allclose(found.covariance[1], [0, 1, 0], atol=1e-9)
