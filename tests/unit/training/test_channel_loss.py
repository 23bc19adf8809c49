import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from comp.models.channel_unet import Drawn
from comp.training.channel_loss import EVERY, channel_loss, correlation, similarity

GENERATOR = np.random.default_rng(0)
TRUTH = GENERATOR.random((2, 3, 16, 20))
DRAWN = 0.7 * TRUTH + 0.3 * GENERATOR.random(TRUTH.shape)


def tensors():
    return torch.from_numpy(DRAWN), torch.from_numpy(TRUTH)


def expected(image, channel):
    drawn, truth = DRAWN[image, channel], TRUTH[image, channel]
    _, every = structural_similarity(truth, drawn, data_range=1, full=True)
    likeness = every[3:-3, 3:-3][::EVERY, ::EVERY].mean()
    return np.log10(((drawn - truth) ** 2).mean() + 1e-4) + (1 - likeness) + (1 - np.corrcoef(drawn.ravel(), truth.ravel())[0, 1])


def test_similarity_is_that_of_scikit_image_and_correlation_that_of_numpy():
    # scikit-image leaves out a border as wide as half a window, so that each window lies inside, as here
    drawn, truth = (images.flatten(0, 1) for images in tensors())
    pairs = list(zip(TRUTH.reshape(6, 16, 20), DRAWN.reshape(6, 16, 20), strict=True))
    np.testing.assert_allclose(similarity(drawn, truth), [structural_similarity(*pair, data_range=1) for pair in pairs], rtol=1e-6)
    np.testing.assert_allclose(correlation(drawn, truth), [np.corrcoef(*map(np.ravel, pair))[0, 1] for pair in pairs], rtol=1e-6)


def test_only_hidden_channels_count():
    missing = torch.tensor([[1.0, 0, 0], [0, 1, 1]])
    found = channel_loss(Drawn(*tensors(), missing))
    assert float(found) == pytest.approx(np.mean([expected(0, 0), expected(1, 1), expected(1, 2)]), rel=1e-5)


def test_a_batch_without_hidden_channels_costs_nothing_and_equal_images_have_finite_gradients():
    drawn = torch.full((2, 3, 8, 8), 0.5, requires_grad=True)
    assert channel_loss(Drawn(drawn, drawn.detach(), torch.zeros(2, 3))).item() == 0
    channel_loss(Drawn(drawn, drawn.detach(), torch.ones(2, 3))).backward()
    assert torch.isfinite(drawn.grad).all()
