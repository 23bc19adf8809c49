"""Channels as they are: those named, in that order, or all channels of the competition."""

from comp.images.input_channels import ChannelRecipe


def build(of: tuple[str, ...] | None = None) -> ChannelRecipe:
    return ChannelRecipe(of)
