"""Red, blue, and green at double brightness: green values above half saturate.

The PyTorch trainers normalise each channel by its own mean and standard deviation. This undoes the factor, and only the saturation
remains. The Keras networks scale by ImageNet's fixed constants, so for them the factor matters.
"""

from comp.images.input_channels import ChannelRecipe


def build() -> ChannelRecipe:
    return ChannelRecipe(("red", "green", "blue"), ((1.0, 0.0, 0.0), (0.0, 2.0, 0.0), (0.0, 0.0, 1.0)))
