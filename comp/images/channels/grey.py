"""Red and blue as grey, plus green: three channels that are the mean of red and blue, with green added to the second.

The second channel may saturate, and red and blue cannot be told apart any more.
"""

from comp.images.input_channels import ChannelRecipe


def build() -> ChannelRecipe:
    return ChannelRecipe(("red", "green", "blue"), ((0.5, 0.0, 0.5), (0.5, 1.0, 0.5), (0.5, 0.0, 0.5)))
