"""Additive cosine margin (Wang et al. 2018, "CosFace: large margin cosine loss for deep face recognition", equation 4)."""

from collections.abc import Callable
from typing import Annotated

from pydantic import Field
from pytorch_metric_learning.losses import CosFaceLoss
from torch import nn


def build(margin: Annotated[float, Field(ge=0)] = 0.35, scale: Annotated[float, Field(gt=0)] = 30.0) -> Callable[[int, int], nn.Module]:
    """`margin` is subtracted from the cosine of the own identity; `scale` multiplies the cosines."""
    return lambda identities, size: CosFaceLoss(identities, size, margin=margin, scale=scale)
