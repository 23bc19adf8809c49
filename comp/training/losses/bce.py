"""Binary cross-entropy, the mean over images and classes."""

from collections.abc import Callable

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def build(smoothing: float = 0.0) -> Callable[[Tensor, Tensor], Tensor]:
    """`smoothing` moves labels from 0 and 1 towards 1/2, so that wrong labels cost less."""

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        return binary_cross_entropy_with_logits(logits, labels * (1 - smoothing) + 0.5 * smoothing)

    return loss
