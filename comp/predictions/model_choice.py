"""Which models a command works on: those asked for, else all complete ones."""

import difflib
from collections.abc import Sequence

from comp.base.errors import PredictionError
from comp.base.paths import configs
from comp.base.progress import say
from comp.predictions.model_files import is_stack, models_with_predictions, what_is_missing, why_skipped
from comp.predictions.task import Task


def choose_models(task: Task, asked: list[str]) -> list[str]:
    """The models asked for, else all complete ones; prints which models are skipped, and why.

    Raises:
        PredictionError: there is no complete model of all classes, or a name is unknown.
    """
    if asked:
        check_known(task, asked)
        return sorted(set(asked))
    missing = {model: why_skipped(task, model) for model in models_with_predictions(task.paths)}
    for model, reason in missing.items():
        if reason:
            say(f"skipped {model}: {reason}")
    complete = [model for model, reason in missing.items() if not reason]
    if not complete:
        partial = [model for model in missing if not is_stack(task, model) and not what_is_missing(task, model)]
        if partial:
            what = f"{task.paths.oof()} holds no complete model of all {len(task.classes)} classes"
            raise PredictionError(what, f'list models by name: make stack COMP={task.competition.name} MODELS="{" ".join(partial)}"')
        then = f"make model COMP={task.competition.name} MODEL=densenet121, or import predictions with make import"
        raise PredictionError(f"{task.paths.oof()} holds no complete model", then)
    return complete


def check_known(task: Task, models: Sequence[str]) -> None:
    """Raise PredictionError if a model has neither predictions nor a YAML in configs/models."""
    here, yamls = models_with_predictions(task.paths), configs("models")
    for model in models:
        if model not in (*here, *yamls):
            near = difflib.get_close_matches(model, [*here, *yamls], n=1)
            then = f"did you mean {near[0]}?" if near else f"choose one of: {', '.join(here or yamls)}"
            raise PredictionError(f"there is no model {model} in {task.paths.oof()}, nor in configs/models", then)
