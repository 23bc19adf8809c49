"""Additive angular margin (Deng et al. 2019, "ArcFace: additive angular margin loss for deep face recognition", equation 3)."""

from collections.abc import Callable
from typing import Annotated

from pytorch_metric_learning.losses import ArcFaceLoss
from torch import nn

from comp.base.between import Between


def build(margin: Annotated[float, Between(0)] = 28.6, scale: Annotated[float, Between(above=0)] = 30.0) -> Callable[[int, int], nn.Module]:
    """`margin` is in degrees (28.6 is the paper's 0.5 radians). `scale` multiplies the cosines (paper: 64, with many more identities)."""
    return lambda identities, size: ArcFaceLoss(identities, size, margin=margin, scale=scale)
