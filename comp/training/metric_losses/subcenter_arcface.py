"""ArcFace with several centres for each identity, so that unusual images may have their own (Deng et al. 2020, "Sub-center ArcFace")."""

from collections.abc import Callable
from typing import Annotated

from pydantic import Field
from pytorch_metric_learning.losses import SubCenterArcFaceLoss
from torch import nn


def build(
    margin: Annotated[float, Field(ge=0)] = 28.6, scale: Annotated[float, Field(gt=0)] = 30.0, centres: Annotated[int, Field(ge=1)] = 3
) -> Callable[[int, int], nn.Module]:
    """`margin` is in degrees; `scale` multiplies the cosines; `centres` is their number for each identity."""
    return lambda identities, size: SubCenterArcFaceLoss(
        num_classes=identities, embedding_size=size, margin=margin, scale=scale, sub_centers=centres
    )
