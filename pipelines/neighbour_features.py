"""What neighbours say of each image, as a table for stacks, which names what it was made from."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from comp.embeddings import Embeddings
from comp.errors import PredictionError
from comp.files import atomic_write
from comp.members import Task, provenance_of, what_is_missing
from comp.neighbour_votes import agreement, class_similarity
from comp.neighbours import Nearest, nearest

MADE_FROM = b"comp neighbours"  # key of the metadata


def refuse_outdated(task: Task, path: Path) -> None:
    """Raise PredictionError if such a table was made with other folds, another train table, or from models trained otherwise since.

    Nothing is known of tables that come from elsewhere.
    """
    try:
        metadata = pq.read_schema(path).metadata or {} if path.suffix == ".parquet" else {}
    except (OSError, pa.ArrowException):
        return  # whoever reads the table says why it cannot be read
    if MADE_FROM not in metadata:
        return
    made = json.loads(metadata[MADE_FROM])
    again = f'make it again: make neighbours COMP={task.competition.name} MODELS="{" ".join(made["made_from"])}"'
    for what, key, now in (("fold map", "folds", task.folds.fingerprint), ("train table", "data", task.data)):
        if made[key] != now:
            raise PredictionError(f"{path} was made with another {what} than the present one", again)
    for model, network in made["made_from"].items():
        if not what_is_missing(task, model) and provenance_of(task, model).network != network:
            raise PredictionError(f"{path} was made from {model}, which has been trained with other settings since", again)


def write_features(
    task: Task, models: Sequence[str], networks: Sequence[Embeddings], rows: NDArray[np.int64], found: Nearest, count: int
) -> None:
    """What a stack may know of each image: as its own fold's network sees it; of a test image, the mean over the networks.

    Args:
        models: those whose embeddings `networks` holds, of each fold, side by side.
        rows, found: the held-out images, and their neighbours.
    """
    names = [f"nearest_{column:02d}" for column in range(len(task.classes))] + ["agreement", "nearest"]
    values = np.full((len(task.folds.ids), len(names)), np.nan)
    of_test = []
    for fold, network in enumerate(networks):
        trained, known = trained_on(task, fold)
        candidates = network.of(known)
        own = task.folds.fold[rows] == fold
        asked = network.of(np.array(task.folds.ids)[rows[own]].tolist())
        held_out = Nearest(found.places[own], found.similarity[own])
        values[rows[own]] = _features(held_out, task.labels, class_similarity(asked, candidates, task.labels[trained], known))
        asked = network.of(task.test_ids)
        tested = nearest(asked, candidates, known, count)
        similarity = class_similarity(asked, candidates, task.labels[trained], known)
        of_test.append(_features(Nearest(trained[tested.places], tested.similarity), task.labels, similarity))
    ids = [*task.folds.ids, *task.test_ids]
    everything = np.concatenate([values, _mean_of_known(np.stack(of_test))]).astype(np.float32)
    made_from = {model: provenance_of(task, model).network for model in models}
    made = json.dumps({"folds": task.folds.fingerprint, "data": task.data, "made_from": made_from})
    table = pa.table([ids, *everything.T], names=["id", *names]).replace_schema_metadata({MADE_FROM: made})
    with atomic_write(task.paths.features(models)) as file:
        pq.write_table(table, file, compression="zstd")


def _mean_of_known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T, F) means of (folds, T, F) over the folds that know the value; NaN where none does."""
    known = np.isfinite(values)
    total, count = np.where(known, values, 0).sum(axis=0), known.sum(axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _features(found: Nearest, labels: NDArray[np.bool_], similarity: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, C + 2): similarity (n, C) to the nearest image of each class, the neighbours' agreement, similarity of the very nearest."""
    return np.column_stack([similarity, agreement(found, labels), found.similarity[:, 0]])


def trained_on(task: Task, fold: int) -> tuple[NDArray[np.int64], list[str]]:
    """The rows that a fold's network was trained on, and their ids."""
    rows = task.folds.trained_on(fold)
    return rows, np.array(task.folds.ids)[rows].tolist()
