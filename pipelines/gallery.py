"""A picture of what every channel recipe makes of some train images: a column for each recipe, a row for each image.

    make gallery COMP=hpa

The rows lead from the rarest label to the most frequent one. Three channels are shown as red, green and blue; a fourth is added to red
and green, as the Human Protein Atlas shows yellow.
"""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from comp.base import registry
from comp.base.errors import ConfigError, DataError
from comp.base.files import atomic_write
from comp.base.paths import Paths, config
from comp.base.progress import say
from comp.competition.competition import Competition, load_competition
from comp.competition.data import ensure_data
from comp.competition.tables import read_train
from comp.images.input_channels import InputChannels
from comp.images.pictures import colours
from comp.images.read import read_channels, resize
from pipelines.command import parser, run

ROWS = 6
SIZE = 256  # pixels of a tile
INCHES = 2.1  # its side in the picture
SEED = 0


def main() -> None:
    options = parser(__doc__).parse_args()

    competition, paths = load_competition(options.competition), Paths(options.competition)
    recipes = fitting_recipes(competition)
    ensure_data(competition, paths)
    ids, labels = read_train(competition, paths)
    chosen = rows_of_different_labels(labels, np.random.default_rng(SEED))
    if not chosen:
        raise DataError(f"no train image of {competition.name} has a label", "check its train table")
    files = [competition.image_files(paths, "train", ids[row]) for row in chosen]
    channels = competition.images.channels if competition.images else ()
    images = np.stack([np.dstack([resize(plane, SIZE) for plane in read_channels(each, len(channels))]) for each in files])
    titles = ["\n".join(np.array(competition.classes)[labels[row]]) for row in chosen]
    with atomic_write(paths.gallery()) as file:
        picture(images, recipes, titles).savefig(file, format="png", dpi=120)
    say(f"{paths.gallery()}: {len(images)} images as {', '.join(recipes)} show{'s' * (len(recipes) == 1)} them")


def fitting_recipes(competition: Competition) -> dict[str, InputChannels]:
    """Every recipe with its own defaults that fits the competition's channels, by name; a line says so of each that does not.

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
    """Up to `ROWS` rows of `labels` (N, C), one drawn for each of labels spread evenly from the rarest to the most frequent."""
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


if __name__ == "__main__":
    run(main)
