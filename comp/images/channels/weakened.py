"""Green, and `factor` times red and blue.

The PyTorch trainers normalise each channel by its own mean and standard deviation. This undoes the factor, and only the rounding to whole
grey values remains. The Keras networks scale by ImageNet's fixed constants, so for them the factor matters.
"""

from typing import Annotated

from comp.base.between import Between
from comp.images.input_channels import ChannelRecipe


def build(factor: Annotated[float, Between(above=0, most=1)] = 0.5) -> ChannelRecipe:
    return ChannelRecipe(("red", "green", "blue"), ((factor, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, factor)))
