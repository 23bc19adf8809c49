"""The loss of drawn channels: what they are scored by, as a function with gradients."""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from comp.models.channel_unet import Drawn

WINDOW = 7  # pixels: the side of the windows of structural similarity, as scikit-image has it
SMALL_LIGHT, SMALL_CONTRAST = 0.01**2, 0.03**2  # its constants K1 and K2, of values in 0..1 (Wang et al. 2004)
EVERY = 4  # pixels between the windows that the loss looks at: all of them would take as long as the network
LEAST_ERROR = 1e-4  # mean squared errors below this (40 dB) are hardly rewarded


def channel_loss(output: Drawn) -> Tensor:
    """The mean over hidden channels of log10 of the mean squared error, 1 - structural similarity and 1 - correlation.

    The first term is a tenth of the negative peak signal-to-noise ratio. Of a batch in which nothing is hidden the loss is 0.
    """
    hidden = output.missing > 0
    drawn, truth = output.drawn[hidden], output.truth[hidden]
    error = (drawn - truth).square().mean(dim=(1, 2))
    each = torch.log10(error + LEAST_ERROR) + (1 - similarity(drawn, truth, EVERY)) + (1 - correlation(drawn, truth))
    return each.sum() / max(len(each), 1)


def similarity(drawn: Tensor, truth: Tensor, every: int = 1) -> Tensor:
    """(N,) structural similarity (Wang et al. 2004) of images (N, H, W) in 0..1: the mean over windows of `WINDOW` pixels.

    Args:
        every: windows begin in every so many rows and columns.
    """

    def mean(values: Tensor) -> Tensor:
        return avg_pool2d(values[:, None], min(WINDOW, *values.shape[1:]), stride=every)[:, 0]

    light, true_light = mean(drawn), mean(truth)
    unbiased = WINDOW**2 / (WINDOW**2 - 1)
    variance = unbiased * (mean(drawn.square()) - light.square())
    true_variance = unbiased * (mean(truth.square()) - true_light.square())
    covariance = unbiased * (mean(drawn * truth) - light * true_light)
    of_light = (2 * light * true_light + SMALL_LIGHT) / (light.square() + true_light.square() + SMALL_LIGHT)
    return (of_light * (2 * covariance + SMALL_CONTRAST) / (variance + true_variance + SMALL_CONTRAST)).mean(dim=(1, 2))


def correlation(drawn: Tensor, truth: Tensor) -> Tensor:
    """(N,) Pearson correlation over the pixels of images (N, H, W)."""
    drawn, truth = (values - values.mean(dim=(1, 2), keepdim=True) for values in (drawn, truth))
    lengths = drawn.square().sum(dim=(1, 2)) * truth.square().sum(dim=(1, 2))
    return (drawn * truth).sum(dim=(1, 2)) / (lengths + 1e-6).sqrt()
