"""Painted images of rare labels: fields of the practice competition, each of an antibody of its own.

They come from no image, so that any fold may be trained on them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from comp.base.errors import ConfigError
from comp.base.files import hash_of, read_text
from comp.base.paths import code_root
from comp.base.processes import follow_parent, worker_pool
from comp.competition.competition import Competition
from comp.competition.experiments.experiment import RareLabels
from comp.images.rare_copies import copies
from comp.practice.catalogue import CELL_LINES, STRUCTURES
from comp.practice.draw import Scene, draw_field
from comp.practice.writer import CHANNELS
from comp.synthesis.synthetic_row import SyntheticRow

STREAM = 28  # the random stream of the painter


@dataclass(frozen=True)
class Painter:
    """Paints images for a competition whose classes and channels are those of the practice competition, under the same names.

    Attributes:
        structures: the structure of each class.
        channels: of the painted channels (red, green, blue, yellow), in the competition's order.
        size: pixels of a side.
    """

    structures: tuple[int, ...]
    channels: tuple[int, ...]
    size: int

    @classmethod
    def of(cls, competition: Competition, size: int) -> "Painter":
        """A painter for a competition.

        Raises:
            ConfigError: it has a class or a channel that is not painted.
        """
        assert competition.images is not None
        for what, names, known in (("class", competition.classes, STRUCTURES), ("channel", competition.images.channels, CHANNELS)):
            if foreign := [name for name in names if name not in known]:
                what = f"the painter knows no {what} {foreign[0]!r}, which {competition.name} has"
                raise ConfigError(what, "it paints HPA's classes and channels")
        channels = tuple(CHANNELS.index(channel) for channel in competition.images.channels)
        return cls(tuple(STRUCTURES.index(name) for name in competition.classes), channels, size)

    def paint(self, row: SyntheticRow) -> NDArray[np.uint8]:
        """An image (size, size, channels) of a row's labels; antibody, well and cells are new ones."""
        generator = np.random.default_rng([*row.seed, STREAM])
        antibody, well, field, take = generator.integers(2**62, size=4).tolist()
        line = str(generator.choice(list(CELL_LINES)))
        labels = tuple(self.structures[column] for column in row.labels)
        return draw_field(Scene(labels, line, antibody, well, field, take), self.size).image[..., list(self.channels)]

    def paint_batch(self, rows: Sequence[SyntheticRow]) -> NDArray[np.uint8]:
        return np.stack([self.paint(row) for row in rows])


def painted_rows(name: str, labels: NDArray[np.bool_], rare: RareLabels, seed: int) -> list[SyntheticRow]:
    """As many rows as it takes to bring each rare label of the train table to `rare.target` images; their label sets are those of its rows.

    Args:
        name: of the set; ids begin with it.
        labels: (N, C) of the train table.
    """
    chosen = copies(labels, rare.below, rare.target, np.random.default_rng([seed, STREAM]))
    rows = []
    for number, row in enumerate(chosen):
        image_id = f"{name}-{number:05d}"
        rows.append(SyntheticRow(image_id, tuple(np.flatnonzero(labels[row]).tolist()), (seed, number), group=image_id))
    return rows


def painted(painter: Painter, workers: int, batches: Sequence[Sequence[SyntheticRow]]) -> Iterator[NDArray[np.uint8]]:
    """The images of each batch, drawn by several processes."""
    if workers == 1 or len(batches) < 2:
        cv2.setNumThreads(1)
        yield from map(painter.paint_batch, batches)
        return
    with worker_pool(min(workers, len(batches)), _start_worker) as pool:
        yield from pool.map(partial(Painter.paint_batch, painter), batches)


def _start_worker() -> None:
    follow_parent()
    cv2.setNumThreads(1)


def code_hash() -> str:
    """A hash of the code that paints, so that images of different versions are not mixed."""
    return hash_of([[path.name, read_text(path)] for path in (*sorted((code_root() / "comp" / "practice").glob("*.py")), Path(__file__))])
