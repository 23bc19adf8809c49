"""Recombined images of rare labels, for one fold: cells of its training images in new fields, with reference channels drawn to fit.

A network that sees the protein alone draws the mean of what the references may be: smooth and dim. A model would learn that such references
mean rare labels. So what the network could not draw of the first source, its residual, is deformed like the source and added.

The network that draws the reference channels is that of the same fold. It was trained on the rows of all other folds, so no other fold may
be trained on what it draws: `only_fold` of each row is the fold.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from comp.competition.experiments.experiment import RareLabels
from comp.folds.fold_map import HOLDOUT, FoldMap
from comp.images.input_channels import Images
from comp.images.rare_copies import copies
from comp.synthesis.recombination import CellField, recombined
from comp.synthesis.synthetic_row import SyntheticRow

STREAM = 29  # the random stream of recombination
MOST_DONORS = 4  # other images that a row is made from

CellsOf = Callable[[str], NDArray[np.uint16]]  # id of a train image -> the number of the cell at each pixel (size, size), 0 outside cells
DrawReferences = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]  # protein channels (B, H, W) -> reference channels (B, H, W, R)


def recombined_rows(name: str, folds: FoldMap, labels: NDArray[np.bool_], rare: RareLabels, fold: int, seed: int) -> list[SyntheticRow]:
    """The rows that bring each rare label of a fold's training images to `rare.target` images, or more where labels occur together.

    A row has the labels of one training image, its first source. Its other sources, if there are any, are training images with exactly the
    same labels. An image whose group is held out in part is no source: its row would be held back.

    Args:
        labels: (N, C) of the rows of `folds`.
    """
    held_groups = {folds.group[row] for row in np.flatnonzero(np.isin(folds.fold, (fold, HOLDOUT)))}
    trained = folds.trained_on(fold)
    usable = np.array([folds.group[row] not in held_groups for row in trained], bool)
    generator = np.random.default_rng([seed, fold, STREAM])
    alike: dict[bytes, list[int]] = {}
    for row in trained[usable].tolist():
        alike.setdefault(labels[row].tobytes(), []).append(row)
    rows = []
    for number, place in enumerate(copies(labels[trained], rare.below, rare.target, generator, usable)):
        base = int(trained[place])
        others = [row for row in alike[labels[base].tobytes()] if row != base]
        donors = generator.permutation(others)[:MOST_DONORS].tolist()
        sources = tuple(folds.ids[row] for row in (base, *donors))
        columns = tuple(np.flatnonzero(labels[base]).tolist())
        rows.append(SyntheticRow(f"{name}-{fold}-{number:05d}", columns, (seed, fold, number), sources, only_fold=fold))
    return rows


@dataclass(eq=False)
class Recombiner:
    """Draws recombined rows of one fold.

    Attributes:
        images: (N, size, size, C) of the train images `ids`.
        protein: the number of the protein channel; the others are reference channels, in their order.
        cells_of: where the cells of a train image are.
        draw_references: the reference channels that fit to protein channels. Each source is drawn by itself, so that an image does not
            depend on the others of its batch.
    """

    images: Images
    ids: Sequence[str]
    protein: int
    cells_of: CellsOf
    draw_references: DrawReferences
    _fields: dict[str, CellField] = field(default_factory=dict)
    _row_of: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self._row_of = {image_id: row for row, image_id in enumerate(self.ids)}

    def draw(self, batches: Sequence[Sequence[SyntheticRow]]) -> Iterator[NDArray[np.uint8]]:
        """The images (B, size, size, C) of each batch, whose rows are all of this fold."""
        for batch in batches:
            fields = [self.field_of(row) for row in batch]
            green = np.stack([field.green for field in fields])
            references = self.draw_references(green) + np.stack([field.follows for field in fields])
            yield np.insert(np.clip(np.rint(references), 0, 255).astype(np.uint8), self.protein, green, axis=-1)

    def field_of(self, row: SyntheticRow) -> CellField:
        """The protein channel of a row, from its sources, and the residual of the first one's reference channels."""
        fields = [self._field(source) for source in row.sources]
        return recombined(fields[0], fields, np.random.default_rng([*row.seed, STREAM]))

    def _field(self, image_id: str) -> CellField:
        if image_id not in self._fields:
            image = self.images[self._row_of[image_id]]
            green, references = image[..., self.protein], np.delete(image, self.protein, axis=-1)
            residual = references - self.draw_references(green[None])[0].astype(np.float32)
            self._fields[image_id] = CellField(green, self.cells_of(image_id), residual)
        return self._fields[image_id]
