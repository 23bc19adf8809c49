"""Reads one prediction file of a model and checks it against its path, the fold map, the train table and the classes."""

from pathlib import Path

from comp.base.errors import PredictionError
from comp.competition.competition import Competition
from comp.folds.fold_map import HOLDOUT
from comp.predictions.model_files import ModelFile
from comp.predictions.prediction_file import Predictions, read_predictions
from comp.predictions.provenance import Provenance, check_same_folds, remake
from comp.predictions.task import Task


def read_checked(competition: Competition, model: str, file: ModelFile, task: Task | None = None) -> Predictions:
    """The predictions in a file, checked against its path and, with a task, against the task's folds and train table.

    Raises:
        PredictionError: the file is missing or damaged, does not match its path or the task, or holds other ids.
    """
    again = remake(competition.name, model, file.kind, file.fold)
    if file.fold is not None:
        again = f"remove {file.path.parent}/*-{file.fold}.parquet, then: {again}"
    try:
        found = read_predictions(file.path)
        _check_place(competition, model, file, found, again)
    except PredictionError as error:
        raise PredictionError(_with_path(file, error), again) from None
    check_classes(file.path, found.provenance, competition.classes)
    if task:
        check_same_folds(file.path, found.provenance, task.folds.fingerprint, task.data)
    try:
        if task:
            _check_not_trained_on(task, file, found, again)
        found.aligned(file.ids)
    except PredictionError as error:
        raise PredictionError(_with_path(file, error), again) from None
    fold_of = dict(zip(file.ids, file.folds.tolist(), strict=True))
    if any(fold != fold_of[image_id] for image_id, fold in zip(found.ids, found.fold.tolist(), strict=True)):
        raise PredictionError(f"{file.path} holds rows of other folds", again)
    return found


def _with_path(file: ModelFile, error: PredictionError) -> str:
    return error.what if str(file.path) in error.what else f"{file.path}: {error.what}"


def _check_place(competition: Competition, model: str, file: ModelFile, found: Predictions, again: str) -> None:
    made = found.provenance
    for key, value in {"competition": competition.name, "model": model, "kind": file.kind, "fold": file.fold}.items():
        if (was := getattr(made, key)) != value:
            raise PredictionError(f"{file.path} was made as {key} {was}, not {value}", again)


def check_classes(path: Path, made: Provenance, classes: tuple[str, ...]) -> None:
    """Raise PredictionError if a file is not about the competition's `classes`, or some of them in the same order."""
    if what := _fault_in_classes(made.classes, classes, subset_allowed=made.kind != "label_only"):
        raise PredictionError(f"{path} {what} (`classes` of its YAML)", f"go back to those classes, or make it again: {made.remake_all}")


def _fault_in_classes(theirs: tuple[str, ...], ours: tuple[str, ...], *, subset_allowed: bool) -> str:
    """What is wrong with the classes of a file, given the competition's; empty if nothing is."""
    if len(theirs) == len(ours):
        differing = next((pair for pair in zip(theirs, ours, strict=True) if pair[0] != pair[1]), None)
        return f"has the class {differing[0]!r} where the competition has {differing[1]!r}" if differing else ""
    if unknown := [name for name in theirs if name not in ours]:
        return f"has the class {unknown[0]!r}, which the competition does not have"
    if theirs != tuple(name for name in ours if name in theirs):
        return "has its classes in another order than the competition"
    return "" if subset_allowed else f"has {len(theirs)} classes, not {len(ours)}"


def _check_not_trained_on(task: Task, file: ModelFile, found: Predictions, again: str) -> None:
    """Raise PredictionError if the fold's model was trained, by the fold map, on rows that its out-of-fold file holds."""
    if file.kind != "oof":
        return
    fold_of = dict(zip(task.folds.ids, task.folds.fold.tolist(), strict=True))
    trained = [image_id for image_id in found.ids if fold_of.get(image_id, HOLDOUT) not in (HOLDOUT, file.fold)]
    if trained:
        first = f"e.g. {trained[0]} of fold {fold_of[trained[0]]}"
        what = f"{file.path} holds {len(trained)} rows of other folds, {first}, on which the model of fold {file.fold} was trained"
        raise PredictionError(what, again)


def check_up_to_date(task: Task, path: Path, made: Provenance) -> None:
    """Raise PredictionError if a model depends on embeddings whose network was trained again, or with images that have changed."""
    for model, network in (made.depends_on or {}).items():
        assert made.fold is not None
        now = task.paths.fold_predictions(model, made.fold)
        if not now.exists():
            continue
        found = read_predictions(now).provenance
        if found.network != network:
            what = f"{path} depends on {model}, which was trained again with other settings or images"
            raise PredictionError(what, f"{remake(made.competition, made.model, made.kind)} RETRAIN=1")
        task.images.check(now, found)
