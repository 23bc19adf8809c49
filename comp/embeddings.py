"""The embedding file: vectors of all images, by the network of one fold."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comp.errors import PredictionError
from comp.folds import Folds
from comp.neighbours import Nearest, nearest
from comp.paths import Paths
from comp.predictions import Provenance, columns_of, read_rows, refuse_other_folds, remake, write_rows


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Vectors of N images, those of the train table and of the test set.

    Attributes:
        ids: (N,) unique.
        fold: (N,) int8, the fold that holds an image; -1 for those of the hold-out and the test set.
        vectors: (N, D) float32 of length 1.
        provenance: `fold` of it is the network's, which has seen none of that fold's images.

    Raises:
        PredictionError: from the constructor, if an id comes twice or a vector is not finite.
    """

    ids: tuple[str, ...]
    fold: NDArray[np.int8]
    vectors: NDArray[np.float32]
    provenance: Provenance

    def __post_init__(self) -> None:
        made = self.provenance
        again = remake(made.competition, made.model, made.kind, made.fold)
        if len(set(self.ids)) != len(self.ids):
            raise PredictionError(f"embeddings of {made.model} hold an id twice", f"make them again: {again}")
        if not np.isfinite(self.vectors).all():
            row = int(np.argwhere(~np.isfinite(self.vectors))[0, 0])
            raise PredictionError(f"embeddings of {made.model} are not finite for id {self.ids[row]}", f"make them again: {again}")

    @cached_property
    def place(self) -> dict[str, int]:
        return {image_id: row for row, image_id in enumerate(self.ids)}

    def of(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """Vectors (len(ids), D).

        Raises:
            PredictionError: there is none of an id.
        """
        for image_id in ids:
            if image_id not in self.place:
                made = self.provenance
                then = f"give an id of its tables, or make them again: {remake(made.competition, made.model, made.kind, made.fold)}"
                raise PredictionError(f"{made.model} has no embedding of id {image_id}", then)
        return self.vectors[[self.place[image_id] for image_id in ids]]

    def write(self, path: Path) -> None:
        write_rows(path, self.ids, self.fold, self.vectors, columns_of(_names(self.vectors.shape[1])), self.provenance)


def read_embeddings(path: Path) -> Embeddings:
    """An embedding file, checked.

    Raises:
        PredictionError: missing, damaged, or not an embedding file of this toolkit.
    """
    again = "make it again with its model's `make fold-K MODEL=...`"
    table, provenance = read_rows(path, again)
    if provenance.kind != "embeddings" or not table.schema.equals(columns_of(_names(len(table.columns) - 2))):
        raise PredictionError(f"{path} is no embedding file", again)
    vectors = np.column_stack([column.to_numpy() for column in table.columns[2:]])
    return Embeddings(tuple(table["id"].to_pylist()), table["fold"].to_numpy(), vectors, provenance)


def read_network(paths: Paths, model: str, fold: int, folds: str, data: str) -> Embeddings:
    """The embeddings by a fold's network of a model.

    Args:
        folds, data: fingerprints of the present fold map and train table.

    Raises:
        PredictionError: the file is missing or damaged, is not what its path says, or was made with other folds or another train table.
    """
    path = paths.embeddings(model, fold)
    if not path.exists():
        raise PredictionError(f"there is no {path}", f"train it first: {remake(paths.competition, model, 'embeddings', fold)}")
    found = read_embeddings(path)
    again = f"remove it, then: {remake(paths.competition, model, 'embeddings', fold)}"
    for key, value in {"competition": paths.competition, "model": model, "fold": fold}.items():
        if (was := getattr(found.provenance, key)) != value:
            raise PredictionError(f"{path} was made as {key} {was}, not {value}", again)
    refuse_other_folds(path, found.provenance, folds, data)
    return found


def side_by_side(models: Sequence[Embeddings]) -> Embeddings:
    """One network's embeddings of several models, as vectors whose inner product is the mean of the models'.

    Raises:
        PredictionError: an image is missing in one of them.
    """
    first = models[0]
    vectors = [one.of(first.ids) / np.float32(np.sqrt(len(models))) for one in models]
    return Embeddings(first.ids, first.fold, np.concatenate(vectors, axis=1), first.provenance)


def held_out_neighbours(networks: Sequence[Embeddings], folds: Folds, count: int) -> tuple[NDArray[np.int64], Nearest]:
    """Rows of `folds` that a fold holds, and their nearest rows in other folds, as the network of their own fold sees them.

    Args:
        networks: one a fold, in their order.
    """
    ids = np.array(folds.ids)
    rows, places, similarity = [], [], []
    for fold, network in enumerate(networks):
        own, others = np.flatnonzero(folds.fold == fold), folds.trained_on(fold)
        found = nearest(network.of(ids[own].tolist()), network.of(ids[others].tolist()), ids[others].tolist(), count)
        rows.append(own)
        places.append(others[found.places])
        similarity.append(found.similarity)
    fewest = min(each.shape[1] for each in places)
    joined = Nearest(*(np.concatenate([each[:, :fewest] for each in kind]) for kind in (places, similarity)))
    return np.concatenate(rows), joined


def _names(size: int) -> list[str]:
    return [f"e{number:03d}" for number in range(size)]
