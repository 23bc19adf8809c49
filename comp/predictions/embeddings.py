"""The embedding file: vectors of all images, made by the network of one fold."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import PredictionError
from comp.base.paths import Paths
from comp.predictions.prediction_file import columns_of, read_table, write_table
from comp.predictions.provenance import Provenance, check_same_folds, remake


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Vectors of N images: those of the train table and of the test set.

    Attributes:
        ids: (N,) unique.
        fold: (N,) int8, each image's fold; -1 for the hold-out and the test set.
        vectors: (N, D) float32 of length 1.
        provenance: its `fold` is the network's, which was not trained on that fold's images.

    Raises:
        PredictionError: from the constructor, if an id appears twice or a vector is not finite.
    """

    ids: tuple[str, ...]
    fold: NDArray[np.int8]
    vectors: NDArray[np.float32]
    provenance: Provenance

    def __post_init__(self) -> None:
        made, again = self.provenance, f"make them again: {self.provenance.remake}"
        if len(set(self.ids)) != len(self.ids):
            raise PredictionError(f"embeddings of {made.model} hold an id twice", again)
        if not np.isfinite(self.vectors).all():
            row = int(np.argwhere(~np.isfinite(self.vectors))[0, 0])
            raise PredictionError(f"embeddings of {made.model} are not finite for id {self.ids[row]}", again)

    @cached_property
    def place(self) -> dict[str, int]:
        """Row of each id."""
        return {image_id: row for row, image_id in enumerate(self.ids)}

    def of(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """Vectors (len(ids), D).

        Raises:
            PredictionError: an id has no vector.
        """
        for image_id in ids:
            if image_id not in self.place:
                then = f"give an id of its tables, or make them again: {self.provenance.remake}"
                raise PredictionError(f"{self.provenance.model} has no embedding of id {image_id}", then)
        return self.vectors[[self.place[image_id] for image_id in ids]]

    def write(self, path: Path) -> None:
        write_table(path, self.ids, self.fold, self.vectors, columns_of(_names(self.vectors.shape[1])), self.provenance)


def read_embeddings(path: Path) -> Embeddings:
    """An embedding file, checked.

    Raises:
        PredictionError: the file is missing, damaged, or not an embedding file of this toolkit.
    """
    again = "make it again with its model's `make fold-K MODEL=...`"
    table, provenance = read_table(path, again)
    size = len(table.columns) - 2
    if provenance.kind != "embeddings" or size < 1 or not table.schema.equals(columns_of(_names(size))):
        raise PredictionError(f"{path} is not an embedding file", again)
    vectors = np.column_stack([column.to_numpy() for column in table.columns[2:]])
    try:
        return Embeddings(tuple(table["id"].to_pylist()), table["fold"].to_numpy(), vectors, provenance)
    except PredictionError as error:
        raise PredictionError(f"{path}: {error.what}", error.then) from None


def read_network(paths: Paths, model: str, fold: int, folds: str, data: str) -> Embeddings:
    """The embeddings that the network of one fold of a model made.

    Args:
        folds, data: fingerprints of the present fold map and train table.

    Raises:
        PredictionError: the file is missing or damaged, does not match its path, or was made with other folds or another train table.
    """
    path = paths.embeddings(model, fold)
    if not path.exists():
        raise PredictionError(f"there is no {path}", f"train it first: {remake(paths.competition, model, 'embeddings', fold)}")
    found = read_embeddings(path)
    again = f"remove it, then: {remake(paths.competition, model, 'embeddings', fold)}"
    for key, value in {"competition": paths.competition, "model": model, "fold": fold}.items():
        if (was := getattr(found.provenance, key)) != value:
            raise PredictionError(f"{path} was made as {key} {was}, not {value}", again)
    check_same_folds(path, found.provenance, folds, data)
    return found


def side_by_side(models: Sequence[Embeddings]) -> Embeddings:
    """The embeddings of several models as one: the inner product of two vectors is the mean over the models.

    Raises:
        PredictionError: a model has no vector of an image.
    """
    first = models[0]
    vectors = [one.of(first.ids) / np.float32(np.sqrt(len(models))) for one in models]
    return Embeddings(first.ids, first.fold, np.concatenate(vectors, axis=1), first.provenance)


def _names(size: int) -> list[str]:
    return [f"e{number:03d}" for number in range(size)]
