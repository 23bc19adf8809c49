"""The prediction files of a model in `oof/<competition>/<model>/`, and whether they are complete.

A folder holds one kind of model: a model trained here, an imported one, a label file, or a stack.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import PredictionError
from comp.base.paths import Paths
from comp.folds.fold_map import HOLDOUT, FoldMap
from comp.predictions.prediction_file import read_predictions
from comp.predictions.provenance import Kind, Provenance, remake
from comp.predictions.task import Task

FILES_OF: dict[Kind, tuple[str, str]] = {  # what a folder may hold, and the files by which it is known
    "imported": ("an imported model", "imported*.parquet"),
    "label_only": ("a label file", "label-only.parquet"),
    "stack": ("a stack", "stack*.parquet"),
    "oof": ("a model trained here", "fold-*.parquet"),
}
LIST_IT = "list it in MODELS to include it"


@dataclass(frozen=True, eq=False)
class ModelFile:
    """A file of a model, and what it must hold: the rows `ids`, with `folds` as their column `fold`."""

    path: Path
    kind: Kind
    fold: int | None
    ids: tuple[str, ...]
    folds: NDArray[np.int8]


def files_of(task: Task, model: str) -> list[ModelFile]:
    """The files of a complete model, without those on the hold-out."""
    paths, folds = task.paths, task.folds
    no_fold = np.full(len(task.test_ids), HOLDOUT, np.int8)
    if paths.imported(model).exists():
        train = ModelFile(paths.imported(model), "imported", None, folds.ids, np.full(len(folds.ids), HOLDOUT, np.int8))
        return [train, ModelFile(paths.imported_test(model), "imported", None, task.test_ids, no_fold)]
    if is_stack(task, model):
        in_folds = folds.fold != HOLDOUT
        train = ModelFile(paths.stack(model), "stack", None, tuple(np.array(folds.ids)[in_folds].tolist()), folds.fold[in_folds])
        return [train, ModelFile(paths.stack_test(model), "stack", None, task.test_ids, no_fold)]
    found = []
    for fold in range(folds.count):
        ids = _ids_of(folds, fold)
        found.append(ModelFile(paths.fold_predictions(model, fold), "oof", fold, ids, np.full(len(ids), fold, np.int8)))
        found.append(ModelFile(paths.test_predictions(model, fold), "test", fold, task.test_ids, no_fold))
    return found


def holdout_files(task: Task, model: str) -> list[ModelFile]:
    """The files on the hold-out, if there is one and the models of all folds predicted it."""
    ids = _ids_of(task.folds, HOLDOUT)
    no_fold = np.full(len(ids), HOLDOUT, np.int8)
    files = [ModelFile(task.paths.holdout_predictions(model, fold), "holdout", fold, ids, no_fold) for fold in range(task.folds.count)]
    return files if ids and all(file.path.exists() for file in files) else []


def _ids_of(folds: FoldMap, fold: int) -> tuple[str, ...]:
    return tuple(np.array(folds.ids)[folds.fold == fold].tolist())


def models_with_predictions(paths: Paths) -> list[str]:
    """Names of the models that have any prediction file, complete or not."""
    return sorted({path.parent.name for path in paths.oof().glob("*/*.parquet")})


def is_label_only(task: Task, model: str) -> bool:
    """Whether a model is a label file, which votes on test images and never joins a stack."""
    return task.paths.label_only(model).exists()


def is_stack(task: Task, model: str) -> bool:
    """Whether a model is a stack's own predictions."""
    return any(path.exists() for path in (task.paths.stack(model), task.paths.stack_test(model)))


def why_skipped(task: Task, model: str) -> PredictionError | None:
    """Why a stack of all models skips this one; None if it takes it, or if its file cannot be read."""
    if is_stack(task, model):
        return PredictionError(f"{task.paths.model(model)} holds a stack", LIST_IT)
    if missing := what_is_missing(task, model):
        return missing
    try:
        predicted = provenance_of(task, model).classes
    except PredictionError:
        return None
    if set(predicted) < set(task.competition.classes):
        what = f"{task.paths.model(model)} predicts {len(predicted)} of {len(task.competition.classes)} classes"
        return PredictionError(what, LIST_IT)
    return None


def what_is_missing(task: Task, model: str) -> PredictionError | None:
    """Why no stack can use a model: a missing file and how to make it, or that it is a label file; None for a complete model."""
    if is_label_only(task, model):
        what = f"{task.paths.label_only(model)} is a label file, which can only vote"
        return PredictionError(what, f'make vote COMP={task.competition.name} MODELS="{model} ..."')
    for file in files_of(task, model):
        if not file.path.exists():
            return PredictionError(f"there is no {file.path}", remake(task.competition.name, model, file.kind, file.fold))
    return None


def provenance_of(task: Task, model: str) -> Provenance:
    """How a model was made, read from its first file.

    Raises:
        PredictionError: the file is missing or damaged.
    """
    return read_predictions(files_of(task, model)[0].path).provenance


def is_made_from(task: Task, model: str, other: str) -> bool:
    """Whether a complete model used another one's embeddings or blends its predictions, directly or through a third model."""
    if what_is_missing(task, model):
        return False
    made = provenance_of(task, model)
    made_from = {*(made.depends_on or ()), *(made.recipe or {}).get("models", ())}
    return other in made_from or any(is_made_from(task, each, other) for each in made_from)


def check_one_kind(paths: Paths, model: str, more: Kind | None = None) -> None:
    """Raise PredictionError if the folder of a model holds several kinds of models, counting the kind `more` to be added."""
    folder = paths.model(model)
    kinds = [kind for kind, (_, pattern) in FILES_OF.items() if kind != more and any(folder.glob(pattern))]
    if more and kinds:
        raise PredictionError(f"{folder} holds {FILES_OF[kinds[0]][0]} already", "choose another name, or remove the folder")
    if len(kinds) > 1:
        (one, its), (other, _) = (FILES_OF[kind] for kind in kinds[:2])
        raise PredictionError(f"{folder} holds {one} and {other}", f"remove one of them: its files {its}, or all others")
