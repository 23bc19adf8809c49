"""Red, green and blue as they are: microtubules, protein and nucleus."""

from comp.images.input_channels import ChannelRecipe


def build() -> ChannelRecipe:
    return ChannelRecipe(("red", "green", "blue"))
