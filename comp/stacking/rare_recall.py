"""What copies of images with rare labels do to the recall of the rare classes."""

from collections.abc import Sequence

import numpy as np

from comp.base.errors import ConfigError, PredictionError
from comp.base.text_table import aligned
from comp.competition.experiments.experiment import RareLabels
from comp.folds.fold_map import HOLDOUT
from comp.metrics.bootstrap import Estimate, GroupBootstrap, Scored
from comp.predictions.members import read_member
from comp.predictions.model_files import what_is_missing
from comp.predictions.task import Task
from comp.stacking.inputs import Inputs, on_shared_classes
from comp.stacking.nested_cv import NestedCV
from comp.stacking.recipe import Recipe

DRAWS = 1000  # of the bootstrap


def check_complete(task: Task, models: Sequence[str]) -> None:
    """Check that all models have predicted all folds.

    Raises:
        PredictionError: one has not.
    """
    for model in models:
        if missing := what_is_missing(task, model):
            raise PredictionError(missing.what, f'make models COMP={task.competition.name} MODELS="{" ".join(models)}"')


def recall_table(task: Task, models: Sequence[str], rare: RareLabels) -> str:
    """One line per model, then the gain of the last model over each of the others.

    Args:
        models: the last one is trained with copies.
        rare: its settings, which say what is rare.

    Raises:
        PredictionError: a model lacks a fold.
        ConfigError: no class is rare.
    """
    inputs = on_shared_classes(Inputs(task, tuple(models), tuple(read_member(task, model) for model in models), ()), {})
    predictions = inputs.labelled(task.folds.fold != HOLDOUT, ())
    images = inputs.task.labels.sum(axis=0)
    columns = np.flatnonzero((images > 0) & (images < rare.below))
    if not len(columns):
        raise ConfigError(f"no class has fewer than {rare.below} images", f"raise rare.below of configs/models/{models[-1]}.yaml")
    labels, recipe = predictions.known_labels, Recipe(blenders=({"name": "mean"},), thresholds=({"name": "bagged"},))
    of_rare = GroupBootstrap(labels[:, columns], predictions.groups, DRAWS, recipe.seed)
    of_all = GroupBootstrap(labels, predictions.groups, DRAWS, recipe.seed)

    def scores(model: str) -> list[Scored]:
        of_model = predictions.only([model])
        nested_cv = NestedCV(of_model, recipe)
        decisions = [of_model.logits[0] > 0, nested_cv.across(nested_cv.folds)[0]]
        return [of_rare.recall(each[:, columns]) for each in decisions] + [of_all.score(each) for each in decisions]

    def line(name: str, estimates: list[Estimate], sign: str = "") -> list[str]:
        return [name, *(f"{one:{sign}.4f}" for one in estimates)]

    found = {model: scores(model) for model in models}
    lines = [["", "recall at 0.5", "recall, tuned", "macro F1 at 0.5", "macro F1, tuned"]]
    lines += [line(model, [one.estimate for one in scored]) for model, scored in found.items()]
    last = models[-1]
    for other in models[:-1]:
        lines.append(line(f"{last} minus {other}", [a.gain_over(b) for a, b in zip(found[last], found[other], strict=True)], "+"))
    notes = [
        f"recall: mean over the {len(columns)} classes with fewer than {rare.below} images, "
        f"{labels[:, columns].sum()} labels on {len(predictions)} rows; macro F1: over {labels.shape[1]} classes",
        "tuned: thresholds fitted to the other folds; +-: standard error over groups",
    ]
    return "\n".join([*aligned(lines), *notes])
