"""Scores of drawn images, against scikit-image and NumPy."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from comp.metrics.pixel_correlation import pixel_correlation
from comp.metrics.psnr import psnr
from comp.metrics.ssim import ssim

GENERATOR = np.random.default_rng(0)
TRUTH = GENERATOR.integers(0, 255, (4, 20, 30), dtype=np.uint8)
DRAWN = np.clip(TRUTH * 0.8 + GENERATOR.normal(0, 20, TRUTH.shape), 0, 255).astype(np.uint8)
PAIRS = list(zip(TRUTH, DRAWN, strict=True))


def test_they_are_those_of_scikit_image_and_numpy():
    np.testing.assert_allclose(psnr(TRUTH, DRAWN), [peak_signal_noise_ratio(*pair) for pair in PAIRS])
    np.testing.assert_allclose(ssim(TRUTH, DRAWN), [structural_similarity(*pair) for pair in PAIRS])
    np.testing.assert_allclose(pixel_correlation(TRUTH, DRAWN), [np.corrcoef(*map(np.ravel, pair))[0, 1] for pair in PAIRS])


def test_equal_images_score_best_and_finite():
    assert psnr(TRUTH, TRUTH) == pytest.approx(np.full(4, 10 * np.log10(255**2 * 12)))
    assert ssim(TRUTH, TRUTH) == pytest.approx(np.ones(4))
    assert pixel_correlation(TRUTH, TRUTH) == pytest.approx(np.ones(4))


def test_constant_images_are_uncorrelated():
    assert pixel_correlation(TRUTH, np.full_like(TRUTH, 9)).tolist() == [0] * 4
    assert pixel_correlation(np.zeros_like(TRUTH), DRAWN).tolist() == [0] * 4
