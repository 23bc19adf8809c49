"""Write and read a stack's own predictions, so that it can be a model of another stack."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import PredictionError
from comp.base.schema import parse
from comp.folds.fold_map import HOLDOUT
from comp.predictions.members import read_member
from comp.predictions.model_files import check_one_kind
from comp.predictions.prediction_file import Predictions, read_predictions
from comp.predictions.provenance import Provenance
from comp.predictions.task import Task
from comp.stacking.nested_cv import SubStack
from comp.stacking.recipe import Recipe


def write_stack(
    task: Task, name: str, recipe: Recipe, models: Mapping[str, Mapping[str, str]], train: NDArray[np.float32], test: NDArray[np.float32]
) -> None:
    """Write a stack's predictions.

    Args:
        models: the models it blends: name -> file name -> content hash.
        train: (n, C) logits of the rows in folds, each by a stack fitted without the row's fold, in the order of `task.folds.ids`.
        test: (T, C) logits in the order of the sample submission.

    Raises:
        PredictionError: a model of another kind has this name.
    """
    check_one_kind(task.paths, name, "stack")
    made = Provenance(
        competition=task.competition.name,
        model=name,
        kind="stack",
        classes=task.classes.names,
        folds=task.folds.fingerprint,
        data=task.data,
        recipe={"models": {model: dict(files) for model, files in models.items()}, "recipe": recipe.model_dump(mode="json")},
    )
    folds = task.folds.fold[task.folds.fold != HOLDOUT]
    ids = tuple(np.array(task.folds.ids)[task.folds.fold != HOLDOUT].tolist())
    Predictions(ids, folds, train.astype(np.float32), made).write(task.paths.stack(name))
    no_fold = np.full(len(task.test_ids), HOLDOUT, np.int8)
    Predictions(task.test_ids, no_fold, test.astype(np.float32), made).write(task.paths.stack_test(name))


def read_substack(task: Task, name: str) -> SubStack:
    """The recipe and models of a stack, so that it can be fitted again inside another stack's nested cross-validation.

    Raises:
        PredictionError: its files are damaged or of other folds or tables, do not say how it was made, or it blends a stack itself.
    """
    read_member(task, name)
    path = task.paths.stack(name)
    again = f"make it again: make stack COMP={task.competition.name} STACK={name}"
    made = read_predictions(path).provenance.recipe or {}
    if not isinstance(made.get("models"), dict) or not isinstance(made.get("recipe"), dict):
        raise PredictionError(f"{path} does not say how the stack was made", again)
    models = tuple(made["models"])
    if stacks := [model for model in models if task.paths.stack(model).exists()]:
        raise PredictionError(f"{name} blends the stack {stacks[0]}; stacks can be nested only once", "stack its models instead")
    return SubStack(name, parse(Recipe, made["recipe"], str(path)), models)
