"""A contact sheet: train images of some rare labels beside synthetic ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from comp.base.files import atomic_write
from comp.base.paths import Paths
from comp.competition.competition import Competition
from comp.competition.extra_rows import extra_image_files, read_extra
from comp.competition.image_cache import full_size
from comp.competition.tables import read_train
from comp.images.pictures import colours
from comp.images.read import Channel, read_image, resize

LABELS, TILES = 8, 4  # labels that are shown; images of each kind and label
INCHES = 1.5  # side of a tile
TILE = 128  # its pixels


@dataclass(frozen=True, eq=False)
class SheetRow:
    """One label: images (n, H, W, C) of the train table, and synthetic ones."""

    title: str
    real: NDArray[np.uint8]
    synthetic: NDArray[np.uint8]


def shown(labels: NDArray[np.bool_], synthetic: NDArray[np.bool_]) -> list[tuple[int, list[int], list[int]]]:
    """The rarest classes with synthetic rows: (column, train rows, synthetic rows), evenly spaced among those that carry it.

    Args:
        labels: (N, C) of the train table.
        synthetic: (M, C) of the synthetic rows.
    """
    rarest = [column for column in np.argsort(labels.sum(axis=0), kind="stable") if synthetic[:, column].any()]
    return [(int(column), _spread(labels[:, column]), _spread(synthetic[:, column])) for column in rarest[:LABELS]]


def draw_sheet(rows: Sequence[SheetRow], title: str) -> Figure:
    """A line for each label: train images to the left, synthetic ones to the right."""
    figure = Figure(figsize=(INCHES * (2 * TILES + 2), INCHES * len(rows) + 0.8), layout="constrained")
    figure.suptitle(title)
    grid = figure.subplots(len(rows), 2 * TILES + 1, squeeze=False, width_ratios=[*TILES * [1], 0.15, *TILES * [1]])
    for axes in grid.ravel():
        axes.set(xticks=[], yticks=[])
        axes.set_frame_on(False)
    for line, row in zip(grid, rows, strict=True):
        line[0].set_ylabel(row.title, rotation=0, ha="right", va="center")
        for start, images in ((0, row.real), (TILES + 1, row.synthetic)):
            for axes, tile in zip(line[start:], colours(images), strict=False):
                axes.imshow(tile)
    grid[0, 0].set_title("train images", loc="left")
    grid[0, TILES + 1].set_title("synthetic", loc="left")
    return figure


def write_sheet(competition: Competition, paths: Paths, name: str) -> int:
    """Write the contact sheet of a set of extra rows as a PNG; returns how many labels it shows.

    Raises:
        DataError: an image is missing or unreadable.
    """
    assert competition.images is not None
    count, levels = len(competition.images.channels), competition.images.levels
    ids, labels = read_train(competition, paths)
    extra = read_extra(competition, paths, name)
    files = list(extra_image_files(competition, paths, extra).values())
    rows = []
    for column, real, synthetic in shown(labels, extra.labels):
        title = f"{competition.classes[column]}\n{labels[:, column].sum()} + {extra.labels[:, column].sum()}"
        from_train = [_tile(full_size(competition, paths, "train", ids[row])) for row in real]
        from_set = [_tile(read_image(files[row], count, levels).channels) for row in synthetic]
        rows.append(SheetRow(title, np.array(from_train, np.uint8).reshape(-1, TILE, TILE, count), np.array(from_set, np.uint8)))
    with atomic_write(paths.contact_sheet(name)) as file:
        draw_sheet(rows, f"{competition.title}: train images, and extra rows {name}").savefig(file, format="png", dpi=100)
    return len(rows)


def _tile(channels: Sequence[Channel]) -> NDArray[np.uint8]:
    """(TILE, TILE, C)."""
    return np.dstack([resize(channel, TILE) for channel in channels])


def _spread(carried: NDArray[np.bool_]) -> list[int]:
    rows = np.flatnonzero(carried)
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(TILES, len(rows))).round().astype(int))].tolist()
