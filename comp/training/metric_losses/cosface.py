"""Additive cosine margin (Wang et al. 2018, "CosFace: large margin cosine loss for deep face recognition", equation 4)."""

from collections.abc import Callable
from typing import Annotated

from pytorch_metric_learning.losses import CosFaceLoss
from torch import nn

from comp.base.between import Between


def build(margin: Annotated[float, Between(0)] = 0.35, scale: Annotated[float, Between(above=0)] = 30.0) -> Callable[[int, int], nn.Module]:
    """`margin` is subtracted from the cosine of the own identity; `scale` multiplies the cosines."""
    return lambda identities, size: CosFaceLoss(identities, size, margin=margin, scale=scale)
