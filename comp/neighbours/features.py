"""A table of features for stacks: what the neighbours of each image say. It records the folds, table and models it was made from."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from comp.base.errors import PredictionError
from comp.neighbours.held_out import trained_on
from comp.neighbours.nearest import Nearest, nearest
from comp.neighbours.votes import agreement, class_similarity
from comp.predictions.embeddings import Embeddings
from comp.predictions.model_files import provenance_of, what_is_missing
from comp.predictions.sealed_table import read_sealed, write_sealed
from comp.predictions.task import Task

MADE_FROM = b"comp neighbours"  # key of the metadata


class MadeFrom(BaseModel):
    """Hashes of what a feature table was made from."""

    folds: str
    data: str
    made_from: dict[str, str]


def check_up_to_date(task: Task, path: Path) -> None:
    """Check that a feature table fits the fold map, the train table and the models it was made from.

    Tables made elsewhere say nothing about this and pass.

    Raises:
        PredictionError: the folds or the train table differ, or a model was trained with other settings since.
    """
    if path.suffix != ".parquet" or not path.exists():
        return  # reading the table reports the error
    again = f"make it again: make neighbours COMP={task.competition.name}"
    metadata = read_sealed(path, again).schema.metadata or {}
    if MADE_FROM not in metadata:
        return
    try:
        made = MadeFrom.model_validate_json(metadata[MADE_FROM])
    except ValidationError:
        raise PredictionError(f"{path} does not say how it was made", again) from None
    again = f'{again} MODELS="{" ".join(made.made_from)}"'
    for what, then, now in (("fold map", made.folds, task.folds.fingerprint), ("train table", made.data, task.data)):
        if then != now:
            raise PredictionError(f"{path} was made with another {what} than the present one", again)
    for model, network in made.made_from.items():
        if not what_is_missing(task, model) and provenance_of(task, model).network != network:
            raise PredictionError(f"{path} was made from {model}, which has been trained with other settings since", again)


def write_features(
    task: Task, models: Sequence[str], networks: Sequence[Embeddings], rows: NDArray[np.int64], found: Nearest, count: int
) -> None:
    """Write the features of all images, for the `features` of a stack's YAML.

    Train images are described by the network of their own fold, which was not trained on them. Test images get the mean over the networks.
    Images of the hold-out get NaN.

    Args:
        models: the models that `networks` joins.
        networks: one per fold.
        rows: (n,) the held-out images; `found` are their neighbours.
        count: how many neighbours a test image has.
    """
    names = [f"nearest_{column:02d}" for column in range(len(task.classes))] + ["agreement", "nearest"]
    values = np.full((len(task.folds.ids), len(names)), np.nan)
    of_test = []
    for fold, network in enumerate(networks):
        trained, known = trained_on(task.folds, fold)
        candidates = network.of(known)
        own = task.folds.fold[rows] == fold
        queries = network.of(np.array(task.folds.ids)[rows[own]].tolist())
        held_out = Nearest(found.places[own], found.similarity[own])
        values[rows[own]] = _features(held_out, task.labels, class_similarity(queries, candidates, task.labels[trained], known))
        queries = network.of(task.test_ids)
        tested = nearest(queries, candidates, known, count)
        similarity = class_similarity(queries, candidates, task.labels[trained], known)
        of_test.append(_features(Nearest(trained[tested.places], tested.similarity), task.labels, similarity))
    ids = [*task.folds.ids, *task.test_ids]
    all_values = np.concatenate([values, _mean_of_known(np.stack(of_test))]).astype(np.float32)
    networks_now = {model: provenance_of(task, model).network for model in models}
    made = MadeFrom(folds=task.folds.fingerprint, data=task.data, made_from=networks_now)
    table = pa.table([ids, *all_values.T], names=["id", *names]).replace_schema_metadata({MADE_FROM: made.model_dump_json()})
    write_sealed(task.paths.features(models), table)


def _mean_of_known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T, F) means of (folds, T, F) over the folds with a finite value; NaN where there is none."""
    known = np.isfinite(values)
    total, count = np.where(known, values, 0).sum(axis=0), known.sum(axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _features(found: Nearest, labels: NDArray[np.bool_], similarity: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, C + 2): similarity to the nearest image of each class (n, C), agreement of the neighbours, similarity of the nearest one."""
    return np.column_stack([similarity, agreement(found, labels), found.similarity[:, 0]])
