"""The members of a stack: which models are complete, and their prediction files joined by id into `Rows`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comp.competition import Competition
from comp.errors import PredictionError
from comp.files import hash_file
from comp.folds import HOLDOUT, Folds
from comp.paths import Paths
from comp.predictions import (
    HARDWARE,
    Kind,
    Predictions,
    data_fingerprint,
    join_folds,
    mean_of_folds,
    read_predictions,
    refuse_difference,
    refuse_other_folds,
    remake,
)
from comp.rows import Rows


@dataclass(frozen=True, eq=False)
class Task:
    """What every member must have predicted.

    Attributes:
        folds: in the order of the sorted ids, so that the order of the tables does not matter.
        labels: (N, C), rows in the order of `folds.ids`.
        test_ids: in the order of the sample submission.
    """

    competition: Competition
    paths: Paths
    folds: Folds
    labels: NDArray[np.bool_]
    test_ids: tuple[str, ...]

    @cached_property
    def data(self) -> str:
        """Fingerprint of the train table."""
        return data_fingerprint(self.folds.ids, self.labels)


@dataclass(frozen=True, eq=False)
class Member:
    """One complete model.

    Attributes:
        imported: it was trained elsewhere, so that our folds do not say on which rows.
        train: (N, C) logits of the train rows in the order of `folds.ids`, NaN for a hold-out that it did not predict.
        test: (T, C) logits in the order of the sample submission.
        files: content hash of each file read, by name.
    """

    name: str
    imported: bool
    train: NDArray[np.float32]
    test: NDArray[np.float32]
    files: dict[str, str]


def models_with_predictions(paths: Paths) -> list[str]:
    """Names of the models that have any prediction file, complete or not."""
    return sorted({path.parent.name for path in paths.oof().glob("*/*.parquet")})


def what_is_missing(task: Task, model: str) -> PredictionError | None:
    """The first file that keeps a model out of a stack, and how to make it; None for a complete model."""
    for file in _files(task, model):
        if not file.path.exists():
            return PredictionError(f"there is no {file.path}", _command(task, model, file))
    return None


def read_member(task: Task, model: str) -> Member:
    """A model's files, read and checked.

    Raises:
        PredictionError: a file is missing or damaged, is not what its path says, was made with other folds, another train
            table, other classes or other settings than the rest, or its ids are not exactly those it should hold.
    """
    if missing := what_is_missing(task, model):
        raise missing
    files = [*_files(task, model), *_holdout_files(task, model)]
    imported = files[0].kind == "imported"
    if imported and any(task.paths.model(model).glob("fold-*.parquet")):
        what = f"{task.paths.model(model)} holds an imported model and one trained here"
        raise PredictionError(what, "remove one of them: its files imported*.parquet, or all others")
    read = {file: _read(task, model, file) for file in files}
    for found in read.values():
        refuse_difference(read[files[0]].provenance, found.provenance, except_for={"kind", "fold", *HARDWARE})
    if imported:
        train, test = (found.aligned(file.ids) for file, found in read.items())
    else:
        held_in, on_test, held_out = ([read[file] for file in files if file.kind == kind] for kind in ("oof", "test", "holdout"))
        ids, in_folds = np.array(task.folds.ids), task.folds.fold != HOLDOUT
        train = np.full(task.labels.shape, np.nan, np.float32)
        train[in_folds] = join_folds(held_in, ids[in_folds].tolist()).logits
        if held_out:
            train[~in_folds] = mean_of_folds(held_out, ids[~in_folds].tolist()).logits
        test = mean_of_folds(on_test, task.test_ids).logits
    return Member(model, imported, train, test, {file.path.name: hash_file(file.path) for file in files})


def rows_of(members: Sequence[Member], task: Task, some: NDArray[np.bool_]) -> Rows:
    """The train rows, with labels, that the mask `some` (N,) picks."""
    groups = np.unique(np.array(task.folds.group)[some], return_inverse=True)[1]
    logits = np.stack([member.train[some] for member in members])
    return Rows(logits, tuple(member.name for member in members), task.folds.fold[some], groups, task.labels[some])


def test_rows_of(members: Sequence[Member], task: Task) -> Rows:
    """The T test rows in the order of the sample submission, without labels, each a group of its own."""
    count = len(task.test_ids)
    logits = np.stack([member.test for member in members])
    return Rows(logits, tuple(member.name for member in members), np.full(count, HOLDOUT, np.int8), np.arange(count))


@dataclass(frozen=True)
class _File:
    """A file of a model, and what it must hold by its name."""

    path: Path
    kind: Kind
    fold: int | None
    ids: tuple[str, ...]


def _files(task: Task, model: str) -> list[_File]:
    """The files of a complete model, those on the hold-out not counted."""
    paths, folds = task.paths, task.folds
    if paths.imported(model).exists():
        tables = ((paths.imported(model), folds.ids), (paths.imported_test(model), task.test_ids))
        return [_File(path, "imported", None, ids) for path, ids in tables]
    found = []
    for fold in range(folds.count):
        found.append(_File(paths.fold_predictions(model, fold), "oof", fold, _ids_of(folds, fold)))
        found.append(_File(paths.test_predictions(model, fold), "test", fold, task.test_ids))
    return found


def _holdout_files(task: Task, model: str) -> list[_File]:
    """The files on the hold-out, if there is one and the models of all folds predicted it."""
    ids = _ids_of(task.folds, HOLDOUT)
    files = [_File(task.paths.holdout_predictions(model, fold), "holdout", fold, ids) for fold in range(task.folds.count)]
    return files if ids and all(file.path.exists() for file in files) else []


def _read(task: Task, model: str, file: _File) -> Predictions:
    """The file, which is what its path says."""
    again = _command(task, model, file)
    if file.fold is not None:
        again = f"remove {task.paths.model(model)}/*-{file.fold}.parquet, then: {again}"
    try:
        found = read_predictions(file.path)
        _refuse_other_origin(task, model, file, found)
        refuse_other_folds(file.path, found.provenance, task.folds.fingerprint, task.data)
        found.aligned(file.ids)
    except PredictionError as error:
        what = error.what if str(file.path) in error.what else f"{file.path}: {error.what}"
        raise PredictionError(what, again) from None
    return found


def _refuse_other_origin(task: Task, model: str, file: _File, found: Predictions) -> None:
    made, again = found.provenance, _command(task, model, file)
    for key, value in {"competition": task.competition.name, "model": model, "kind": file.kind, "fold": file.fold}.items():
        if (was := getattr(made, key)) != value:
            raise PredictionError(f"{file.path} was made as {key} {was}, not {value}", again)
    if (found.fold != (file.fold if file.kind == "oof" else HOLDOUT)).any():
        raise PredictionError(f"{file.path} holds rows of other folds", again)
    ours, theirs = task.competition.classes, made.classes
    if theirs != ours:
        odd = next((pair for pair in zip(theirs, ours, strict=False) if pair[0] != pair[1]), None)
        what = f"has the class {odd[0]!r} where the competition has {odd[1]!r}" if odd else f"has {len(theirs)} classes, not {len(ours)}"
        raise PredictionError(f"{file.path} {what} (`classes` of its YAML)", again)


def _command(task: Task, model: str, file: _File) -> str:
    return remake(task.competition.name, model, file.fold, imported=file.kind == "imported")


def _ids_of(folds: Folds, fold: int) -> tuple[str, ...]:
    return tuple(np.array(folds.ids)[folds.fold == fold].tolist())
