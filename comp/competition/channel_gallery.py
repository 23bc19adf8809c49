"""A picture of some images as every channel recipe shows them to a network: a row for each image, a column for each recipe."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from comp.base import registry
from comp.base.errors import ConfigError, DataError
from comp.base.paths import config
from comp.base.progress import say
from comp.competition.competition import Competition
from comp.images.input_channels import InputChannels
from comp.images.pictures import colours

ROWS = 6
INCHES = 2.1  # side of a tile in the picture


def fitting_recipes(competition: Competition) -> dict[str, InputChannels]:
    """Every recipe, with its default options, that fits the competition's channels, by name. Prints a line for each that does not fit.

    Raises:
        DataError: the competition has no images.
    """
    if competition.images is None:
        raise DataError(f"competition {competition.name} has tables and no images", "choose one with images: make gallery COMP=...")
    found = {}
    for name in registry.names("channels"):
        try:
            source = str(config("competitions", competition.name))
            found[name] = registry.build("channels", {"name": name}).of(competition.images.channels, source)
        except ConfigError as error:
            say(f"{name} is not shown: {error}")
    return found


def rows_of_different_labels(labels: NDArray[np.bool_], generator: np.random.Generator) -> list[int]:
    """Up to `ROWS` rows of `labels` (N, C), one for each of some labels, which are spread evenly from the rarest to the most frequent."""
    count = labels.sum(axis=0)
    present = [column for column in np.argsort(count, kind="stable") if count[column]]
    spread = np.linspace(0, len(present) - 1, min(ROWS, len(present))).round().astype(int)
    chosen: list[int] = []
    for place in spread:
        others = np.setdiff1d(np.flatnonzero(labels[:, present[place]]), chosen)
        if len(others):
            chosen.append(int(generator.choice(others)))
    return chosen


def picture(images: NDArray[np.uint8], recipes: dict[str, InputChannels], titles: list[str]) -> Figure:
    """Images (N, H, W, C) as rows with titles, recipes as columns with their names."""
    figure = Figure(figsize=(INCHES * (len(recipes) + 1), INCHES * len(images)), layout="constrained")
    grid = figure.subplots(len(images), len(recipes), squeeze=False)
    for column, (name, channels) in enumerate(recipes.items()):
        grid[0, column].set_title(name)
        for row, tile in enumerate(colours(channels.read(images, np.arange(len(images))))):
            grid[row, column].imshow(tile)
            grid[row, column].set(xticks=[], yticks=[])
    for axes, title in zip(grid[:, 0], titles, strict=True):
        axes.set_ylabel(title, rotation=0, ha="right", va="center")
    return figure
