"""What was trained here: the models and stacks of a competition, checked before they predict new images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from comp.base import registry
from comp.base.errors import ConfigError, PredictionError
from comp.base.files import hash_file, hash_of
from comp.inference.models import TrainedModels
from comp.predictions.file_checks import check_classes, check_up_to_date
from comp.predictions.members import classes_of_all
from comp.predictions.model_choice import check_known
from comp.predictions.model_files import is_stack, what_is_missing
from comp.predictions.prediction_file import read_predictions
from comp.predictions.provenance import Provenance
from comp.predictions.task import Task
from comp.stacking.fitted_stack import FittedStack, read_fitted
from comp.stacking.stack import Stack
from comp.training.kept_files import fault_in_kept

MEAN = {"name": "mean"}


def chosen_stack(task: Task, models: Sequence[str], stack: str | None) -> FittedStack:
    """What predicts new images: the mean of `models` if there are any, else the finished stack `stack`, by default `default`.

    Raises:
        ConfigError: models and a stack are named.
        PredictionError: it cannot predict new images.
    """
    if models and stack:
        raise ConfigError("MODELS and STACK are both given", "name models, or a stack, which knows its models")
    return mean_of_models(task, models) if models else stack_here(task, stack or "default")


def stack_here(task: Task, name: str) -> FittedStack:
    """A finished stack, if the models that it needs are still those that it was fitted on and can predict new images.

    Raises:
        PredictionError: there is no such stack, one of its models cannot predict, or has other predictions now.
    """
    stack = read_fitted(task.paths.fitted_stack(name))
    again = f"make stack COMP={task.competition.name} STACK={name}"
    for model in stack.needed:
        check_can_predict(task, model)
        for file, before in stack.files[model].items():
            path = task.paths.model(model) / file
            if not path.exists() or hash_file(path) != before:
                raise PredictionError(f"the stack {name} was fitted on another {path} than the present one", f"make it again: {again}")
    for table, before in stack.features.items():
        if not Path(table).exists() or hash_file(Path(table)) != before:
            raise PredictionError(f"the stack {name} was fitted on another {table} than the present one", f"make it again: {again}")
    if stack.competition != task.competition.name:
        raise PredictionError(f"the stack {name} is of competition {stack.competition}", f"make it again: {again}")
    if stack.folds != task.folds.fingerprint or stack.data != task.data:
        raise PredictionError(f"the stack {name} was fitted on another fold map or train table", f"make it again: {again}")
    return stack


def mean_of_models(task: Task, models: Sequence[str]) -> FittedStack:
    """The mean of models' probabilities, with a threshold of 0.5 for every class: a stack that nothing was fitted for.

    Raises:
        PredictionError: there is no such model, it cannot predict, or the models share no class subset.
    """
    check_known(task, models)
    classes = classes_of_all({model: check_can_predict(task, model).classes for model in models})
    weights, halves = dict.fromkeys(sorted(models), 1 / len(models)), np.zeros(len(classes))
    mean = Stack(registry.build("blenders", MEAN), MEAN, weights, halves, tuple(sorted(models)), fills=task.needs_labels)
    return FittedStack(task.competition.name, "+".join(models), classes, mean, {}, {}, task.folds.fingerprint, task.data)


def models_here(task: Task, batch_size: int | None) -> TrainedModels:
    """The models of a competition."""
    again = f"train it again: make model COMP={task.competition.name} MODEL=... RETRAIN=1"
    return TrainedModels(task.paths, task.folds.count, again, batch_size)


def check_can_predict(task: Task, model: str) -> Provenance:
    """Check that all folds of a model are complete, alike and kept what predicts new images; returns what the first one was made from.

    Raises:
        PredictionError: they are not; or the model was imported, or is a stack.
    """
    paths, name = task.paths, task.competition.name
    if is_stack(task, model):
        raise PredictionError(f"{model} is a stack", f"name it as STACK={model}")
    if paths.imported(model).exists() or paths.label_only(model).exists():
        then = "leave it out: make stack MODELS=... of models trained here, then predict with that stack"
        raise PredictionError(f"{model} was imported, and has no network here that could predict new images", then)
    if missing := what_is_missing(task, model):
        raise missing
    trained = models_here(task, None)
    for needed in trained.with_dependencies([model]):
        experiment, again = trained.experiment(needed), f"make model COMP={name} MODEL={needed}"
        for fold in range(task.folds.count):
            made = read_predictions(paths.fold_predictions(needed, fold)).provenance
            if made.experiment != hash_of(experiment):
                raise PredictionError(f"the folds of {needed} were made with different settings", f"make them alike: {again}")
            check_classes(paths.fold_predictions(needed, fold), made, task.competition.classes)
            check_up_to_date(task, paths.fold_predictions(needed, fold), made)
            if fault := fault_in_kept(paths, experiment, made):
                what = f"{needed} cannot predict new images (trained with KEEP=0, or by an earlier version?): {fault}"
                raise PredictionError(what, f"make it again: {again} RETRAIN=1")
    return read_predictions(paths.fold_predictions(model, 0)).provenance
