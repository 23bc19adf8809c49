"""A member of a stack: all prediction files of one model, checked and joined by id."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import PredictionError
from comp.base.files import hash_file
from comp.folds.fold_map import HOLDOUT
from comp.predictions.file_checks import check_up_to_date, read_checked
from comp.predictions.model_files import ModelFile, check_one_kind, files_of, holdout_files, what_is_missing
from comp.predictions.prediction_file import Predictions, join_folds, mean_of_folds
from comp.predictions.provenance import HARDWARE, check_same_settings, remake
from comp.predictions.task import Task


@dataclass(frozen=True, eq=False)
class Member:
    """The predictions of one complete model.

    Attributes:
        imported: it was trained elsewhere; our fold map does not say on which rows.
        classes: the classes it predicts, some or all of the competition's, in the same order.
        train: (N, C) logits of the train rows in the order of `folds.ids`; NaN for hold-out rows that it did not predict (stacks
            never do).
        test: (T, C) logits in the order of the sample submission; the mean over the folds for a model trained here.
        test_by_fold: (folds, T, C) for a model trained here, else (1, T, C).
        files: file name -> content hash, of each file read.
    """

    name: str
    imported: bool
    classes: tuple[str, ...]
    train: NDArray[np.float32]
    test: NDArray[np.float32]
    test_by_fold: NDArray[np.float32]
    files: dict[str, str]

    def narrowed(self, names: Sequence[str]) -> "Member":
        """The same predictions for a subset of the classes."""
        columns = [self.classes.index(name) for name in names]
        logits = {key: getattr(self, key)[..., columns] for key in ("train", "test", "test_by_fold")}
        return replace(self, classes=tuple(names), **logits)


def classes_of_all(predicted: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The classes on which models can be stacked together: those of the model with the fewest.

    Class subsets must be nested: every other model predicts these classes too.

    Args:
        predicted: model -> its classes.

    Raises:
        PredictionError: a model lacks one of the classes.
    """
    least = min(predicted, key=lambda model: len(predicted[model]))
    for model, classes in predicted.items():
        if lacking := [name for name in predicted[least] if name not in classes]:
            raise PredictionError(
                f"{model} predicts {len(classes)} classes and {least} {len(predicted[least])}, "
                f"{len(lacking)} of them not predicted by {model}, e.g. {lacking[0]!r}",
                f"all models of a stack must predict the classes of the one with the fewest: leave {model} or {least} out of MODELS",
            )
    return predicted[least]


def read_member(task: Task, model: str) -> Member:
    """The files of a model, read, checked and joined.

    Raises:
        PredictionError: a file is missing or damaged, does not match its path, or was made with other folds, another train table,
            other classes or other settings than the rest, or with images that have changed; a model that it depends on was trained
            again; the ids are not the ones expected, or the model was trained on some of them; the model is a label file.
    """
    if missing := what_is_missing(task, model):
        raise missing
    check_one_kind(task.paths, model)
    read = {file: read_checked(task.competition, model, file, task) for file in (*files_of(task, model), *holdout_files(task, model))}
    _check_same_making(task, model, read)
    first = next(iter(read.values())).provenance
    for made_with in {found.provenance.images: (file.path, found.provenance) for file, found in read.items()}.values():
        task.images.check(*made_with)
    train = np.full((len(task.folds.ids), len(first.classes)), np.nan, np.float32)
    ids, in_folds = np.array(task.folds.ids), task.folds.fold != HOLDOUT
    of_kind = {kind: [found for file, found in read.items() if file.kind == kind] for kind in ("oof", "test", "holdout")}
    if first.kind == "imported":
        train, test = (found.aligned(file.ids) for file, found in read.items())
    elif first.kind == "stack":
        train[in_folds], test = (found.aligned(file.ids) for file, found in read.items())
    else:
        train[in_folds] = join_folds(of_kind["oof"], ids[in_folds].tolist()).logits
        if of_kind["holdout"]:
            train[~in_folds] = mean_of_folds(of_kind["holdout"], ids[~in_folds].tolist()).logits
        test = mean_of_folds(of_kind["test"], task.test_ids).logits
    by_fold = np.stack([found.aligned(task.test_ids) for found in of_kind["test"]]) if of_kind["test"] else test[None]
    hashes = {file.path.name: hash_file(file.path) for file in read}
    return Member(model, first.kind == "imported", first.classes, train, test, by_fold, hashes)


def _check_same_making(task: Task, model: str, read: Mapping[ModelFile, Predictions]) -> None:
    """Raise PredictionError if the files of a model differ in classes or settings, or depend on a model that was trained again."""
    (first_file, first), *_ = ((file, found.provenance) for file, found in read.items())
    for file, found in read.items():
        if found.provenance.classes != first.classes:
            theirs, ours = found.provenance.classes, first.classes
            differing = next(name for name in task.competition.classes if (name in theirs) != (name in ours))
            what = f"{file.path} has {len(theirs)} classes and {first_file.path.name} {len(ours)}; only one of them has {differing!r}"
            raise PredictionError(what, f"remove the ones made differently, then: {remake(task.competition.name, model, file.kind)}")
        check_same_settings(first, found.provenance, except_for={"kind", "fold", *HARDWARE})
        check_up_to_date(task, file.path, found.provenance)
