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
from comp.predictions import Predictions, data_fingerprint, join_folds, mean_of_folds, read_predictions, refuse_other_folds
from comp.rows import Rows


@dataclass(frozen=True, eq=False)
class Task:
    """What every member must have predicted.

    Attributes:
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
        train: (N, C) logits of the train rows in the order of `folds.ids`, NaN for a hold-out that it did not predict.
        test: (T, C) logits in the order of the sample submission.
        files: content hash of each file read, by name.
    """

    name: str
    train: NDArray[np.float32]
    test: NDArray[np.float32]
    files: dict[str, str]


def models_with_predictions(paths: Paths) -> list[str]:
    """Names of the models that have any prediction file, complete or not."""
    return sorted({path.parent.name for path in paths.oof().glob("*/*.parquet")})


def what_is_missing(task: Task, model: str) -> PredictionError | None:
    """The first file that keeps a model out of a stack, and how to make it; None for a complete model."""
    paths = task.paths
    if paths.imported(model).exists():
        if paths.imported_test(model).exists():
            return None
        then = f"make import COMP={task.competition.name} MODEL={model} VAL=... TEST=..."
        return PredictionError(f"there is no {paths.imported_test(model)}", then)
    for fold in range(task.folds.count):
        for path in (paths.fold_predictions(model, fold), paths.test_predictions(model, fold)):
            if not path.exists():
                return PredictionError(f"there is no {path}", f"make fold-{fold} COMP={task.competition.name} MODEL={model}")
    return None


def read_member(task: Task, model: str) -> Member:
    """A model's files, read and checked.

    Raises:
        PredictionError: a file is missing or damaged, made with other folds, another train table or other classes, or its
            ids are not exactly those it should hold.
    """
    if missing := what_is_missing(task, model):
        raise missing
    paths, folds = task.paths, task.folds
    if paths.imported(model).exists():
        read = {path: _read(task, path) for path in (paths.imported(model), paths.imported_test(model))}
        train = _aligned(paths.imported(model), read[paths.imported(model)], folds.ids)
        test = _aligned(paths.imported_test(model), read[paths.imported_test(model)], task.test_ids)
    else:
        own = {fold: paths.fold_predictions(model, fold) for fold in range(folds.count)}
        on_test = [paths.test_predictions(model, fold) for fold in own]
        on_holdout = [path for fold in own if (path := paths.holdout_predictions(model, fold)).exists()]
        read = {path: _read(task, path) for path in [*own.values(), *on_test, *on_holdout]}
        train = np.full(task.labels.shape, np.nan, np.float32)
        for fold, path in own.items():
            _refuse_other_rows(path, read[path], fold, _ids_of(folds, fold))
        held = folds.fold != HOLDOUT
        train[held] = join_folds([read[path] for path in own.values()], tuple(np.array(folds.ids)[held])).logits
        if (~held).any() and len(on_holdout) == folds.count:
            train[~held] = _mean(on_holdout, read, _ids_of(folds, HOLDOUT))
        test = _mean(on_test, read, task.test_ids)
    return Member(model, train, test, {path.name: hash_file(path) for path in read})


def rows_of(members: Sequence[Member], task: Task, some: NDArray[np.bool_]) -> Rows:
    """The labelled train rows that the mask `some` (N,) picks, ordered by id, so that the order of the tables does not matter."""
    chosen = np.flatnonzero(some)
    chosen = chosen[np.argsort(np.array(task.folds.ids)[chosen])]
    groups = np.unique(np.array(task.folds.group)[chosen], return_inverse=True)[1]
    logits = np.stack([member.train[chosen] for member in members])
    return Rows(logits, tuple(member.name for member in members), task.folds.fold[chosen], groups, task.labels[chosen])


def test_rows_of(members: Sequence[Member], task: Task) -> Rows:
    """The test rows in the order of the sample submission."""
    count = len(task.test_ids)
    logits = np.stack([member.test for member in members])
    return Rows(logits, tuple(member.name for member in members), np.full(count, HOLDOUT, np.int8), np.arange(count))


def _read(task: Task, path: Path) -> Predictions:
    found = read_predictions(path)
    refuse_other_folds(path, found.provenance, task.folds.fingerprint, task.data)
    if found.provenance.classes != task.competition.classes:
        ours, theirs = task.competition.classes, found.provenance.classes
        odd = next((pair for pair in zip(theirs, ours, strict=False) if pair[0] != pair[1]), None)
        what = f"has the class {odd[0]!r} where the competition has {odd[1]!r}" if odd else f"has {len(theirs)} classes, not {len(ours)}"
        raise PredictionError(f"{path} {what}", "make it again for this competition, or correct `classes` in its YAML")
    return found


def _aligned(path: Path, found: Predictions, ids: Sequence[str]) -> NDArray[np.float32]:
    try:
        return found.aligned(ids)
    except PredictionError as error:
        raise PredictionError(f"{path}: {error.what}", error.then) from None


def _refuse_other_rows(path: Path, found: Predictions, fold: int, ids: tuple[str, ...]) -> None:
    _aligned(path, found, ids)
    if found.provenance.fold != fold or (found.fold != fold).any():
        then = f"make it again: make fold-{fold} COMP={found.provenance.competition} MODEL={found.provenance.model}"
        raise PredictionError(f"{path} holds fold {found.provenance.fold}, not {fold}", then)


def _mean(files: list[Path], read: dict[Path, Predictions], ids: tuple[str, ...]) -> NDArray[np.float32]:
    for path in files:
        _aligned(path, read[path], ids)
    return mean_of_folds([read[path] for path in files], ids).logits


def _ids_of(folds: Folds, fold: int) -> tuple[str, ...]:
    return tuple(np.array(folds.ids)[folds.fold == fold])
