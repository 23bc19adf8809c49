"""Focal loss: cross-entropy with less weight on labels that are predicted well (Lin et al. 2017, equation 4, without alpha)."""

from collections.abc import Callable

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid


def build(gamma: float = 2.0) -> Callable[[Tensor, Tensor], Tensor]:
    """(1 - p_t)^gamma * cross-entropy, where p_t is the probability of the true label; gamma = 0 is `bce`."""

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        cross_entropy = binary_cross_entropy_with_logits(logits, labels, reduction="none")
        wrong = logsigmoid(logits * (1 - 2 * labels)).exp()
        return (wrong**gamma * cross_entropy).mean()

    return loss
