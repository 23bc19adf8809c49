"""The members of a stack: which models are complete, and their prediction files joined by id into `Rows`.

A folder of `oof/<competition>/` holds one kind of model: one trained here, an import, a label file, or a stack.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comp.competition import Competition
from comp.errors import PredictionError
from comp.files import hash_file
from comp.folds import HOLDOUT, Folds
from comp.labels import LabelSpace
from comp.paths import Paths
from comp.predictions import (
    HARDWARE,
    Kind,
    Predictions,
    Provenance,
    join_folds,
    mean_of_folds,
    read_predictions,
    refuse_difference,
    refuse_other_folds,
    remake,
)
from comp.rows import Rows

FILES_OF: dict[Kind, tuple[str, str]] = {  # what a folder of oof/<competition>/ may hold, and the files that say so
    "imported": ("an imported model", "imported*.parquet"),
    "hard": ("a label file", "hard.parquet"),
    "stack": ("a stack", "stack*.parquet"),
    "oof": ("one trained here", "fold-*.parquet"),
}
BY_NAME = "ask for it by its name in MODELS"


@dataclass(frozen=True, eq=False)
class Task:
    """What every member must have predicted.

    Attributes:
        folds: in the order of the sorted ids, so that the order of the tables does not matter.
        classes: the competition's, or those of them that a narrowed task is about, in the same order.
        labels: (N, C) of these classes, rows in the order of `folds.ids`.
        test_ids: in the order of the sample submission.
        data: fingerprint of the train table, whose labels are of all classes.
    """

    competition: Competition
    paths: Paths
    folds: Folds
    classes: LabelSpace
    labels: NDArray[np.bool_]
    test_ids: tuple[str, ...]
    data: str

    def narrowed(self, names: Sequence[str]) -> "Task":
        """The same about these of its classes alone."""
        columns = [self.classes.names.index(name) for name in names]
        return replace(self, classes=self.classes.only(columns), labels=self.labels[:, columns])


@dataclass(frozen=True, eq=False)
class Member:
    """One complete model.

    Attributes:
        imported: it was trained elsewhere, so that our folds do not say on which rows.
        classes: those it predicts, some or all of the competition's, in the same order.
        train: (N, C) logits of the train rows in the order of `folds.ids`, NaN for a hold-out that it did not predict (a stack
            never does).
        test: (T, C) logits in the order of the sample submission: of a model trained here, the mean over its folds.
        test_by_fold: (folds, T, C) of a model trained here, (1, T, C) of others.
        files: content hash of each file read, by name.
    """

    name: str
    imported: bool
    classes: tuple[str, ...]
    train: NDArray[np.float32]
    test: NDArray[np.float32]
    test_by_fold: NDArray[np.float32]
    files: dict[str, str]

    def narrowed(self, names: Sequence[str]) -> "Member":
        """The same model as one that predicts these of its classes alone."""
        columns = [self.classes.index(name) for name in names]
        logits = {key: getattr(self, key)[..., columns] for key in ("train", "test", "test_by_fold")}
        return replace(self, classes=tuple(names), **logits)


def models_with_predictions(paths: Paths) -> list[str]:
    """Names of the models that have any prediction file, complete or not."""
    return sorted({path.parent.name for path in paths.oof().glob("*/*.parquet")})


def is_hard(task: Task, model: str) -> bool:
    """Whether a model is a label file, which votes on test images and never joins a stack."""
    return task.paths.hard(model).exists()


def is_stack(task: Task, model: str) -> bool:
    """Whether a model is a stack's own predictions."""
    return any(path.exists() for path in (task.paths.stack(model), task.paths.stack_test(model)))


def why_left_out(task: Task, model: str) -> PredictionError | None:
    """What keeps a model out of a stack of all that there is; None for one that belongs to it, or cannot be read."""
    if is_stack(task, model):
        return PredictionError(f"{task.paths.model(model)} holds a stack", BY_NAME)
    if missing := what_is_missing(task, model):
        return missing
    try:
        predicted = provenance_of(task, model).classes
    except PredictionError:
        return None
    if set(predicted) < set(task.competition.classes):
        what = f"{task.paths.model(model)} predicts {len(predicted)} of {len(task.competition.classes)} classes"
        return PredictionError(what, BY_NAME)
    return None


def what_is_missing(task: Task, model: str) -> PredictionError | None:
    """What keeps a model out of any stack: its first missing file and how to make it, or that it is a label file; else None."""
    if is_hard(task, model):
        what = f"{task.paths.hard(model)} is a label file, which only votes"
        return PredictionError(what, f'make vote COMP={task.competition.name} MODELS="{model} ..."')
    for file in _files(task, model):
        if not file.path.exists():
            return PredictionError(f"there is no {file.path}", remake(task.competition.name, model, file.kind, file.fold))
    return None


def provenance_of(task: Task, model: str) -> Provenance:
    """How a model was made, by the first of its files.

    Raises:
        PredictionError: the file is missing or damaged.
    """
    return read_predictions(_files(task, model)[0].path).provenance


def needs(task: Task, model: str, other: str) -> bool:
    """Whether a complete model was made from another one: given its embeddings, or blended from it, or from one that was."""
    if what_is_missing(task, model):
        return False
    made = provenance_of(task, model)
    made_from = {*(made.stands_on or ()), *(made.recipe or {}).get("models", ())}
    return other in made_from or any(needs(task, each, other) for each in made_from)


def classes_of_all(predicted: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The classes on which models can be stacked: those of the model with the fewest.

    Args:
        predicted: model -> its classes.

    Raises:
        PredictionError: another model lacks one of them.
    """
    least = min(predicted, key=lambda model: len(predicted[model]))
    for model, classes in predicted.items():
        if lacking := [name for name in predicted[least] if name not in classes]:
            raise PredictionError(
                f"{model} predicts {len(classes)} classes and {least} {len(predicted[least])}, "
                f"of which {model} lacks {len(lacking)}, e.g. {lacking[0]!r}",
                f"a stack needs models that all predict the classes of the one with the fewest: leave {model} or {least} out of MODELS",
            )
    return predicted[least]


def read_member(task: Task, model: str) -> Member:
    """A model's files, read and checked.

    Raises:
        PredictionError: a file is missing or damaged, is not what its path says, was made with other folds, another train
            table, other classes or other settings than the rest, or from a model that has been trained anew since; its ids are not
            exactly those it should hold, or its model was trained on some of them; the model is a label file.
    """
    if missing := what_is_missing(task, model):
        raise missing
    refuse_mixture(task.paths, model)
    files = [*_files(task, model), *_holdout_files(task, model)]
    read = {file: _read(task.competition, model, file, task) for file in files}
    first = read[files[0]].provenance
    for file, found in read.items():
        if found.provenance.classes != first.classes:
            theirs, ours = found.provenance.classes, first.classes
            odd = next(name for name in task.competition.classes if (name in theirs) != (name in ours))
            what = f"{file.path} has {len(theirs)} classes and {files[0].path.name} {len(ours)}, only one of them {odd!r}"
            raise PredictionError(what, f"remove what was made otherwise, then: {remake(task.competition.name, model, file.kind)}")
        refuse_difference(first, found.provenance, except_for={"kind", "fold", *HARDWARE})
        _refuse_outdated(task, file.path, found.provenance)
    train = np.full((len(task.folds.ids), len(first.classes)), np.nan, np.float32)
    ids, in_folds = np.array(task.folds.ids), task.folds.fold != HOLDOUT
    if files[0].kind == "imported":
        train, test = (found.aligned(file.ids) for file, found in read.items())
    elif files[0].kind == "stack":
        train[in_folds], test = (found.aligned(file.ids) for file, found in read.items())
    else:
        held_in, on_test, held_out = ([read[file] for file in files if file.kind == kind] for kind in ("oof", "test", "holdout"))
        train[in_folds] = join_folds(held_in, ids[in_folds].tolist()).logits
        if held_out:
            train[~in_folds] = mean_of_folds(held_out, ids[~in_folds].tolist()).logits
        test = mean_of_folds(on_test, task.test_ids).logits
    on_test = [found for file, found in read.items() if file.kind == "test"]
    by_fold = np.stack([found.aligned(task.test_ids) for found in on_test]) if on_test else test[None]
    hashes = {file.path.name: hash_file(file.path) for file in files}
    return Member(model, files[0].kind == "imported", first.classes, train, test, by_fold, hashes)


def rows_of(members: Sequence[Member], task: Task, some: NDArray[np.bool_]) -> Rows:
    """The train rows, with labels, that the mask `some` (N,) picks."""
    groups = np.unique(np.array(task.folds.group)[some], return_inverse=True)[1]
    logits = np.stack([member.train[some] for member in members])
    return Rows(logits, tuple(member.name for member in members), task.folds.fold[some], groups, task.labels[some])


def test_rows_of(members: Sequence[Member], task: Task, fold: int | None) -> Rows:
    """The T test rows in the order of the sample submission, without labels, each a group of its own.

    Args:
        fold: as the networks of this fold alone see them, where a model has several; None: as their mean.
    """
    count = len(task.test_ids)
    logits = np.stack([member.test if fold is None else member.test_by_fold[fold % len(member.test_by_fold)] for member in members])
    return Rows(logits, tuple(member.name for member in members), np.full(count, HOLDOUT, np.int8), np.arange(count))


def read_labels_elsewhere(competition: Competition, paths: Paths, model: str, test_ids: tuple[str, ...]) -> NDArray[np.bool_]:
    """The decisions (T, C) of a label file brought by `make import`, in the order of `test_ids`.

    Raises:
        PredictionError: there is none, it is damaged, or is not what its path says; other classes, other ids.
    """
    path = paths.hard(model)
    if not path.exists() and any(paths.model(model).glob("*.parquet")):
        then = f"vote with a submission made from it: make stack COMP={competition.name} MODELS={model}, then give the file as FILE=..."
        raise PredictionError(f"{model} predicts and is no label file", then)
    file = _File(path, "hard", None, test_ids, np.full(len(test_ids), HOLDOUT, np.int8))
    return _read(competition, model, file).aligned(test_ids) > 0


def refuse_mixture(paths: Paths, model: str, more: Kind | None = None) -> None:
    """Raise PredictionError if the folder of a model holds several kinds of models, that of `more` counted in."""
    folder = paths.model(model)
    kinds = [kind for kind, (_, pattern) in FILES_OF.items() if kind != more and any(folder.glob(pattern))]
    if more and kinds:
        raise PredictionError(f"{folder} holds {FILES_OF[kinds[0]][0]} already", "choose another name, or remove the folder")
    if len(kinds) > 1:
        (one, its), (other, _) = (FILES_OF[kind] for kind in kinds[:2])
        raise PredictionError(f"{folder} holds {one} and {other}", f"remove one of them: its files {its}, or all others")


@dataclass(frozen=True, eq=False)
class _File:
    """A file of a model, and what it must hold by its name: rows `ids`, whose column `fold` is `folds`."""

    path: Path
    kind: Kind
    fold: int | None
    ids: tuple[str, ...]
    folds: NDArray[np.int8]


def _files(task: Task, model: str) -> list[_File]:
    """The files of a complete model, those on the hold-out not counted."""
    paths, folds = task.paths, task.folds
    unheld = np.full(len(task.test_ids), HOLDOUT, np.int8)
    if paths.imported(model).exists():
        nowhere = np.full(len(folds.ids), HOLDOUT, np.int8)
        train = _File(paths.imported(model), "imported", None, folds.ids, nowhere)
        return [train, _File(paths.imported_test(model), "imported", None, task.test_ids, unheld)]
    if is_stack(task, model):
        in_folds = folds.fold != HOLDOUT
        train = _File(paths.stack(model), "stack", None, tuple(np.array(folds.ids)[in_folds].tolist()), folds.fold[in_folds])
        return [train, _File(paths.stack_test(model), "stack", None, task.test_ids, unheld)]
    found = []
    for fold in range(folds.count):
        ids = _ids_of(folds, fold)
        found.append(_File(paths.fold_predictions(model, fold), "oof", fold, ids, np.full(len(ids), fold, np.int8)))
        found.append(_File(paths.test_predictions(model, fold), "test", fold, task.test_ids, unheld))
    return found


def _holdout_files(task: Task, model: str) -> list[_File]:
    """The files on the hold-out, if there is one and the models of all folds predicted it."""
    ids = _ids_of(task.folds, HOLDOUT)
    nowhere = np.full(len(ids), HOLDOUT, np.int8)
    files = [_File(task.paths.holdout_predictions(model, fold), "holdout", fold, ids, nowhere) for fold in range(task.folds.count)]
    return files if ids and all(file.path.exists() for file in files) else []


def _read(competition: Competition, model: str, file: _File, task: Task | None = None) -> Predictions:
    """The file, which is what its path says; with a task, it was also made with its folds and its train table."""
    again = remake(competition.name, model, file.kind, file.fold)
    if file.fold is not None:
        again = f"remove {file.path.parent}/*-{file.fold}.parquet, then: {again}"
    try:
        found = read_predictions(file.path)
        _refuse_other_origin(competition, model, file, found, again)
        if task:
            refuse_other_folds(file.path, found.provenance, task.folds.fingerprint, task.data)
            _refuse_trained_rows(task, file, found, again)
        found.aligned(file.ids)
    except PredictionError as error:
        what = error.what if str(file.path) in error.what else f"{file.path}: {error.what}"
        raise PredictionError(what, again) from None
    fold_of = dict(zip(file.ids, file.folds.tolist(), strict=True))
    if any(fold != fold_of[image_id] for image_id, fold in zip(found.ids, found.fold.tolist(), strict=True)):
        raise PredictionError(f"{file.path} holds rows of other folds", again)
    return found


def _refuse_other_origin(competition: Competition, model: str, file: _File, found: Predictions, again: str) -> None:
    made = found.provenance
    for key, value in {"competition": competition.name, "model": model, "kind": file.kind, "fold": file.fold}.items():
        if (was := getattr(made, key)) != value:
            raise PredictionError(f"{file.path} was made as {key} {was}, not {value}", again)
    if what := _odd_in(made.classes, competition.classes, a_part_will_do=file.kind != "hard"):
        raise PredictionError(f"{file.path} {what} (`classes` of its YAML)", again)


def _odd_in(theirs: tuple[str, ...], ours: tuple[str, ...], *, a_part_will_do: bool) -> str:
    """What is odd about the classes of a file, given those of the competition; empty if nothing is."""
    if len(theirs) == len(ours):
        odd = next((pair for pair in zip(theirs, ours, strict=True) if pair[0] != pair[1]), None)
        return f"has the class {odd[0]!r} where the competition has {odd[1]!r}" if odd else ""
    if unknown := [name for name in theirs if name not in ours]:
        return f"has the class {unknown[0]!r}, which the competition does not have"
    if theirs != tuple(name for name in ours if name in theirs):
        return "has its classes in another order than the competition"
    return "" if a_part_will_do else f"has {len(theirs)} classes, not {len(ours)}"


def _refuse_trained_rows(task: Task, file: _File, found: Predictions, again: str) -> None:
    """Raise PredictionError if the fold map says that the model of a fold was trained on rows that it predicts as its own."""
    if file.kind != "oof":
        return
    fold_of = dict(zip(task.folds.ids, task.folds.fold.tolist(), strict=True))
    trained = [image_id for image_id in found.ids if fold_of.get(image_id, HOLDOUT) not in (HOLDOUT, file.fold)]
    if trained:
        first = f"e.g. {trained[0]} of fold {fold_of[trained[0]]}"
        what = f"{file.path} holds {len(trained)} rows of other folds, {first}, on which the model of fold {file.fold} was trained"
        raise PredictionError(what, again)


def _refuse_outdated(task: Task, path: Path, made: Provenance) -> None:
    """Raise PredictionError if the embeddings that a model was given are of a network that has been trained otherwise since."""
    for model, network in (made.stands_on or {}).items():
        assert made.fold is not None
        now = task.paths.fold_predictions(model, made.fold)
        if now.exists() and read_predictions(now).provenance.network != network:
            what = f"{path} stands on {model}, which has been trained with other settings since"
            raise PredictionError(what, remake(made.competition, made.model, made.kind))


def _ids_of(folds: Folds, fold: int) -> tuple[str, ...]:
    return tuple(np.array(folds.ids)[folds.fold == fold].tolist())
