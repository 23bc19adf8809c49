"""A picture of some images, with their channels as they are and as they are drawn."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from comp.images.pictures import colours
from comp.inference.channel_generator import Draws

INCHES = 1.5  # side of a tile
PROTEIN = "green"  # where there is such a channel, it is the one from which all others are drawn; else the first


def sheet(generator: Draws, images: NDArray[np.uint8], titles: list[str]) -> Figure:
    """Images (N, H, W, C) as rows: all channels in colour, true and drawn from one; then each channel, true and drawn from all others."""
    channels = generator.channels
    source = channels.index(PROTEIN) if PROTEIN in channels else 0
    alone = np.eye(len(channels), dtype=bool)
    tiles = {"true": colours(images), f"from {channels[source]}": colours(generator(images, alone[source]))}
    for column, name in enumerate(channels):
        tiles[name] = images[..., column]
        tiles[f"{name},\ndrawn"] = generator(images, ~alone[column])[..., column]
    figure = Figure(figsize=(INCHES * (len(tiles) + 1), INCHES * len(images) + 0.5), layout="constrained")
    grid = figure.subplots(len(images), len(tiles), squeeze=False)
    for number, (name, shown) in enumerate(tiles.items()):
        grid[0, number].set_title(name, fontsize=8)
        for axes, tile in zip(grid[:, number], shown, strict=True):
            axes.imshow(tile, cmap="grey", vmin=0, vmax=255)
            axes.set(xticks=[], yticks=[])
    for axes, title in zip(grid[:, 0], titles, strict=True):
        axes.set_ylabel(title, rotation=0, ha="right", va="center", fontsize=7)
    return figure
