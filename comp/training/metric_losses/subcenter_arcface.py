"""ArcFace with several centres for each identity, so that unusual images may have their own (Deng et al. 2020, "Sub-center ArcFace")."""

from collections.abc import Callable
from typing import Annotated

from pytorch_metric_learning.losses import SubCenterArcFaceLoss
from torch import nn

from comp.base.between import Between


def build(
    margin: Annotated[float, Between(0)] = 28.6, scale: Annotated[float, Between(above=0)] = 30.0, centres: Annotated[int, Between(1)] = 3
) -> Callable[[int, int], nn.Module]:
    """`margin` is in degrees; `scale` multiplies the cosines; `centres` is their number for each identity."""
    return lambda identities, size: SubCenterArcFaceLoss(
        num_classes=identities, embedding_size=size, margin=margin, scale=scale, sub_centers=centres
    )
