"""Compare whole stacks on the same rows: any stacks, or a stack with and without one model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import ConfigError, PredictionError
from comp.base.paths import config
from comp.base.progress import say
from comp.base.text_table import aligned
from comp.folds.fold_map import HOLDOUT
from comp.metrics.bootstrap import GroupBootstrap, Scored
from comp.predictions.members import classes_of_all
from comp.predictions.model_choice import check_known, choose_models
from comp.predictions.model_files import is_made_from, what_is_missing
from comp.predictions.task import Task
from comp.stacking.evaluation import classes_of_both, evaluate
from comp.stacking.final_stack import final_stack
from comp.stacking.inputs import Inputs, read_inputs
from comp.stacking.recipe import Recipe, load_recipe

DRAWS = 1000  # bootstrap resamples
NESTED = "nested"

Bools = NDArray[np.bool_]
Decisions = Mapping[str, Bools]  # stack -> (N, C)
KnownLabels = tuple[Sequence[str], Bools, NDArray[np.str_]]  # ids, labels (N, C) of all classes, and usage (N,), e.g. "private"


@dataclass(frozen=True, eq=False)
class Comparison:
    """Macro F1 of several stacks on several sets of rows.

    Attributes:
        columns: title -> stack -> score; no scores if there are no such rows.
        classes: how many classes the scores are over; those of known and new groups are over `shared` of them.
        all_classes: how many the competition has.
        shared: how many classes occur in rows of both known and new groups.
    """

    columns: Mapping[str, Mapping[str, Scored]]
    classes: int
    all_classes: int
    shared: int


def compare(task: Task, recipe_name: str, stacks: Mapping[str, Sequence[str]], on_test: KnownLabels | None = None) -> Comparison:
    """Score stacks of models, each chosen and fitted by itself, on the classes that all of the models predict.

    Args:
        recipe_name: the recipe of all stacks.
        stacks: name -> models.
        on_test: known labels of test images, on which the stacks are scored too.
    """
    recipe = load_recipe(config("stacks", recipe_name))
    inputs = {name: read_inputs(task, list(models), recipe_name, recipe) for name, models in stacks.items()}
    shared_classes = classes_of_all({name: each.task.classes.names for name, each in inputs.items()})
    inputs = {name: each.narrowed(shared_classes) for name, each in inputs.items()}
    task = next(iter(inputs.values())).task
    in_folds = task.folds.fold != HOLDOUT
    nested, for_test = {}, {}
    for name, each in inputs.items():
        nested[name], for_test[name] = decisions(each, recipe, in_folds)
    labels, known = task.labels[in_folds], task.folds.known()[in_folds]
    groups = np.unique(np.array(task.folds.group)[in_folds], return_inverse=True)[1]
    columns = {NESTED: scored(nested, labels, groups)}
    shared = classes_of_both(labels, known)
    for title, some in (("known groups", known), ("new groups", ~known)):
        subset = {name: decided[some][:, shared] for name, decided in nested.items()}
        columns[f"{title} ({some.sum()})"] = scored(subset, labels[some][:, shared], groups[some]) if shared.any() else {}
    if on_test:
        columns |= scores_by_usage(task, for_test, on_test)
    return Comparison(columns, len(task.classes), len(task.competition.classes), int(shared.sum()))


def with_and_without(task: Task, model: str, asked: Sequence[str], recipe_name: str) -> dict[str, list[str]]:
    """The models of the stack with a model and of the stack without it, by name; prints both.

    Models that were made from the model are left out with it.

    Args:
        asked: the models to stack it with; empty: all complete ones.

    Raises:
        PredictionError: the model is unknown or incomplete, or no model is left without it.
        ConfigError: the recipe uses features that were made from the model.
    """
    check_known(task, [model])
    if missing := what_is_missing(task, model):
        raise missing
    models = sorted({*choose_models(task, list(asked)), model})
    made_from_it = [other for other in models if other != model and is_made_from(task, other, model)]
    others = [other for other in models if other != model and other not in made_from_it]
    if not others:
        what = f"without {model}{' and the models made from it' if made_from_it else ''} no model is left to stack"
        raise PredictionError(what, f"train others: make model COMP={task.competition.name} MODEL=densenet121")
    folder = task.paths.model(model).resolve()
    for features in load_recipe(config("stacks", recipe_name)).features:
        if folder in features.resolve().parents:
            what = f"configs/stacks/{recipe_name}.yaml has the features {features}, made from {model}"
            raise ConfigError(what, "choose a stack without them: STACK=default")
    if made_from_it:
        say(f"left out with {model}, because they were made from it: {', '.join(made_from_it)}")
    stacks = {f"with {model}": models, "without": others}
    for name, blended in stacks.items():
        say(f"{name}: {', '.join(blended)}")
    return stacks


def decisions(inputs: Inputs, recipe: Recipe, in_folds: Bools) -> tuple[Bools, Bools]:
    """A stack's decisions about the rows in folds, each fitted without the row's fold, and about the test images."""
    labelled = inputs.labelled(in_folds, recipe.features)
    evaluation = evaluate(labelled, recipe, models=inputs.models, substacks=inputs.substacks)
    final = final_stack(inputs, labelled, inputs.on_test(recipe.features), evaluation, recipe)
    return evaluation.decisions[0], final.decisions


def scored(decided: Decisions, labels: Bools, groups: NDArray[np.int64]) -> dict[str, Scored]:
    """Macro F1 of each stack over all classes (columns) of `labels` (N, C); a class without a hit counts 0."""
    bootstrap = GroupBootstrap(labels, groups, DRAWS, seed=0)
    return {name: bootstrap.score(each) for name, each in decided.items()}


def scores_by_usage(task: Task, decided: Decisions, on_test: KnownLabels) -> dict[str, dict[str, Scored]]:
    """Usage -> stack -> macro F1 on the test images of this usage, over all classes of the task."""
    ids, labels, usages = on_test
    labels = labels[:, [task.competition.classes.index(name) for name in task.classes.names]]
    place = {image_id: row for row, image_id in enumerate(task.test_ids)}
    rows = np.array([place[image_id] for image_id in ids])
    found = {}
    for usage in sorted(set(usages.tolist())):
        some = usages == usage
        found[usage] = scored({name: each[rows[some]] for name, each in decided.items()}, labels[some], np.arange(some.sum()))
    return found


def comparison_table(found: Comparison) -> str:
    """One line per stack, then the gain of the first stack over each of the others."""
    columns = found.columns
    first, *others = columns[NESTED]
    subset = f" over {found.classes} of {found.all_classes} classes" if found.classes < found.all_classes else ""
    lines = [[f"macro F1{subset}", *columns]]
    for name in (first, *others):
        lines.append([name, *(f"{scores[name].estimate:.4f}" if scores else "-" for scores in columns.values())])
    if others:
        lines.append([f"{first} minus", *[""] * len(columns)])
    for other in others:
        gains = [f"{scores[first].gain_over(scores[other]):+.4f}" if scores else "-" for scores in columns.values()]
        lines.append([f"  {other}", *gains])
    notes = [
        "nested: the full pipeline of each stack on folds that it was not fitted on;",
        f"macro F1 over {'these' if subset else 'all'} {found.classes} classes, a class without a hit counting 0; "
        f"known and new groups: over the {found.shared} classes that both have;",
        "+-: standard error over groups (test images: over images); differences are paired",
    ]
    return "\n".join([*aligned(lines), *notes])
