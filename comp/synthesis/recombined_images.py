"""The recombined images of all folds: cells by a segmenter, reference channels by the network of each fold."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from comp.base.errors import ConfigError
from comp.base.files import hash_of, read_text
from comp.base.paths import code_root
from comp.cells.segmenter import Masks
from comp.cells.stains import stains_of
from comp.competition.competition import Competition
from comp.images.input_channels import Images
from comp.inference.channel_generator import Draws
from comp.synthesis.recombined_rows import CellsOf, DrawReferences, Recombiner
from comp.synthesis.synthetic_row import SyntheticRow

MOST_KEPT = 4096  # images whose cells are kept in memory
CODE = ("synthesis/recombined_images.py", "synthesis/recombined_rows.py", "synthesis/recombination.py", "synthesis/deformation.py")

Segment = Callable[[Mapping[str, NDArray[np.uint8]]], Masks]  # stain -> (H, W), to the masks


@dataclass(frozen=True)
class Stains:
    """The channels of a competition by what they show: the protein, and the references.

    Attributes:
        protein: the number of the protein's channel.
        references: stain -> the number of its channel.
    """

    protein: int
    references: Mapping[str, int]

    @classmethod
    def of(cls, competition: Competition) -> "Stains":
        """By the names of the channels.

        Raises:
            ConfigError: cells cannot be found by these channels, or not exactly one more channel is left.
        """
        assert competition.images is not None
        channels = competition.images.channels
        references = stains_of(channels)
        others = [number for number in range(len(channels)) if number not in references.values()]
        if "nuclei" not in references or len(references) < 2 or len(others) != 1:
            what = f"cells of {competition.name} cannot be recombined: its channels are {', '.join(channels)}"
            raise ConfigError(what, "it takes blue (nuclei), red or yellow (cells), and one channel of the protein")
        return cls(others[0], references)


@dataclass(frozen=True, eq=False)
class RecombinedImages:
    """Draws recombined rows, those of each fold by the network of that fold.

    Attributes:
        images: (N, size, size, C) of the train images `ids`.
        segment: finds cells. It was trained on no image of the competition.
        generators: fold -> the network that draws its reference channels.
    """

    images: Images
    ids: Sequence[str]
    stains: Stains
    segment: Segment
    generators: Mapping[int, Draws]

    def draw(self, batches: Sequence[Sequence[SyntheticRow]]) -> Iterator[NDArray[np.uint8]]:
        """The images (B, size, size, C) of each batch, whose rows are all of one fold. Each source is segmented once."""
        cv2.setNumThreads(1)
        cells_of = lru_cache(MOST_KEPT)(self._cells_of())
        for fold, of_fold in groupby(batches, lambda batch: batch[0].only_fold):
            draw_references = references_by(self.generators[fold], self.stains.protein)
            yield from Recombiner(self.images, self.ids, self.stains.protein, cells_of, draw_references).draw(list(of_fold))

    def _cells_of(self) -> CellsOf:
        row_of = {image_id: row for row, image_id in enumerate(self.ids)}

        def cells_of(image_id: str) -> NDArray[np.uint16]:
            image = self.images[row_of[image_id]]
            cells = self.segment({stain: image[..., number] for stain, number in self.stains.references.items()}).cells
            assert cells is not None  # there are microtubules or reticulum
            return cells

        return cells_of


def references_by(generator: Draws, protein: int) -> DrawReferences:
    """Reference channels as a network draws them from the protein channel alone.

    Args:
        protein: the number of the protein's channel.
    """
    given = np.arange(len(generator.channels)) == protein

    def draw_references(green: NDArray[np.uint8]) -> NDArray[np.uint8]:
        drawn = generator(np.where(given, green[..., None], np.uint8(0)), given)
        return np.delete(drawn, protein, axis=-1)

    return draw_references


def code_hash() -> str:
    """A hash of the code that finds cells and recombines them, so that images of different versions are not mixed."""
    room = code_root() / "comp"
    return hash_of([[str(path.relative_to(room)), read_text(path)] for path in _code(room)])


def _code(room: Path) -> list[Path]:
    return [*(room / name for name in CODE), *sorted((room / "cells").glob("*.py"))]
