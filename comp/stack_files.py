"""A stack's own predictions, as prediction files: so that a stack can be a model of another one."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from comp.errors import PredictionError
from comp.folds import HOLDOUT
from comp.members import Task, read_member, refuse_mixture
from comp.nest import SubStack
from comp.predictions import Predictions, Provenance, read_predictions
from comp.schema import parse
from comp.stacking import Recipe


def write_stack(
    task: Task, name: str, recipe: Recipe, models: Mapping[str, Mapping[str, str]], train: NDArray[np.float32], test: NDArray[np.float32]
) -> None:
    """Write what a stack predicts of the classes of its task.

    Args:
        models: what it blends: name -> file name -> content hash.
        train: (n, C) logits of the rows in folds, each by a stack that has not seen the row's fold, in the order of `task.folds.ids`.
        test: (T, C) logits in the order of the sample submission.

    Raises:
        PredictionError: a model of another kind has the name.
    """
    refuse_mixture(task.paths, name, "stack")
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
    nowhere = np.full(len(task.test_ids), HOLDOUT, np.int8)
    Predictions(task.test_ids, nowhere, test.astype(np.float32), made).write(task.paths.stack_test(name))


def read_substack(task: Task, name: str) -> SubStack:
    """How a stack was made, so that it can be made again inside another one's proof.

    Raises:
        PredictionError: its files are damaged, or of other folds or tables; they do not say how it was made; it blends a stack itself.
    """
    read_member(task, name)
    path = task.paths.stack(name)
    again = f"make it again: make stack COMP={task.competition.name} STACK={name}"
    made = read_predictions(path).provenance.recipe
    if made is None:
        raise PredictionError(f"{path} does not say how the stack was made", again)
    models = tuple(made["models"])
    if stacks := [model for model in models if task.paths.stack(model).exists()]:
        raise PredictionError(f"{name} blends the stack {stacks[0]}, and would be the third of its kind", "stack its models instead")
    return SubStack(name, parse(Recipe, made["recipe"], str(path)), models)
