"""Supervised contrastive loss (Khosla et al. 2020, "Supervised contrastive learning", equation 2)."""

from collections.abc import Callable
from typing import Annotated

from pytorch_metric_learning.losses import SupConLoss
from torch import nn

from comp.base.between import Between


def build(temperature: Annotated[float, Between(above=0)] = 0.1) -> Callable[[int, int], nn.Module]:
    """`temperature` divides the cosines."""
    return lambda identities, size: SupConLoss(temperature=temperature)
