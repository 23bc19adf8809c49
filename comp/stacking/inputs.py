"""The inputs of a stack: the task, the models' predictions, and the stacks among the models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import PredictionError
from comp.base.progress import say
from comp.folds.fold_map import HOLDOUT
from comp.neighbours.features import check_up_to_date
from comp.predictions.features import read_features
from comp.predictions.members import Member, classes_of_all, read_member
from comp.predictions.model_choice import choose_models
from comp.predictions.model_files import check_one_kind, is_stack, provenance_of
from comp.predictions.task import Task
from comp.stacking.averaged_copies import averaged
from comp.stacking.nested_cv import SubStack
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.recipe import Recipe
from comp.stacking.saved_stack import read_substack
from comp.stacking.test_duplicates import test_duplicates


@dataclass(frozen=True, eq=False)
class Inputs:
    """The models of a stack.

    Attributes:
        task: narrowed to the classes that all models predict.
        models: names of the models to blend, stacks among them.
        members: predictions of the models, and of models that only the stacks among them blend.
        substacks: the stacks among the models.
    """

    task: Task
    models: tuple[str, ...]
    members: tuple[Member, ...]
    substacks: tuple[SubStack, ...]

    @property
    def networks(self) -> int:
        """How many networks of a model the test predictions average; 1 if all models were trained elsewhere."""
        return max(len(member.test_by_fold) for member in self.members)

    @property
    def files(self) -> dict[str, dict[str, str]]:
        """Model to blend -> file name -> content hash; no files for a stack, which is fitted again."""
        files = {member.name: member.files for member in self.members} | {each.name: {} for each in self.substacks}
        return {model: files[model] for model in self.models}

    def narrowed(self, classes: Sequence[str]) -> "Inputs":
        """The same models for a subset of the classes."""
        return replace(self, task=self.task.narrowed(classes), members=tuple(member.narrowed(classes) for member in self.members))

    def labelled(self, some: NDArray[np.bool_], features: Sequence[Path]) -> PredictionSet:
        """Predictions for the train rows of the mask `some` (N,), with labels."""
        predictions = predictions_on_train(self.members, self.task, some)
        return _with_features(predictions, self.task, np.array(self.task.folds.ids)[some].tolist(), features)

    def on_test(self, features: Sequence[Path], fold: int | None = None) -> PredictionSet:
        """Predictions for the test images in the order of the sample submission; near-duplicates get their mean probabilities.

        Args:
            fold: predictions of this fold's networks only; None: the mean over folds.
        """
        component = test_duplicates(self.task.paths, self.task.test_ids)
        predictions = replace(predictions_on_test(self.members, self.task, fold), groups=component)
        return _with_features(averaged(predictions, component), self.task, self.task.test_ids, features)


def predictions_on_train(members: Sequence[Member], task: Task, some: NDArray[np.bool_]) -> PredictionSet:
    """Predictions, with labels, for the train rows of the mask `some` (N,)."""
    groups = np.unique(np.array(task.folds.group)[some], return_inverse=True)[1]
    logits = np.stack([member.train[some] for member in members])
    models, labels = tuple(member.name for member in members), task.labels[some]
    return PredictionSet(logits, models, task.folds.fold[some], groups, labels, needs_labels=task.needs_labels)


def predictions_on_test(members: Sequence[Member], task: Task, fold: int | None) -> PredictionSet:
    """Predictions, without labels, for the T test images in the order of the sample submission; each image is its own group.

    Args:
        fold: predictions of this fold's networks only, for models with several; None: the mean over folds.
    """
    count = len(task.test_ids)
    logits = np.stack([member.test if fold is None else member.test_by_fold[fold % len(member.test_by_fold)] for member in members])
    models, folds = tuple(member.name for member in members), np.full(count, HOLDOUT, np.int8)
    return PredictionSet(logits, models, folds, np.arange(count), needs_labels=task.needs_labels)


def _with_features(predictions: PredictionSet, task: Task, ids: Sequence[str], features: Sequence[Path]) -> PredictionSet:
    if not features:
        return predictions
    for path in features:
        check_up_to_date(task, path)
    tables = [read_features(path, ids, task.competition.columns.id) for path in features]
    return replace(predictions, features=np.concatenate(tables, axis=1))


def read_inputs(task: Task, asked: list[str], stack: str, recipe: Recipe) -> Inputs:
    """Read the models asked for, else all complete ones. A stack among them is fitted again, so its models are read too.

    If a model predicts a subset of the classes, all are narrowed to it, and a line says so.

    Raises:
        PredictionError: a file is missing or not valid; the message says how to leave out a model that was not asked for. Or the
            models share no class subset, or the recipe refers to classes by number although the models predict a subset.
    """
    if stack in asked:
        raise PredictionError(
            f"the stack {stack} cannot be a model of itself", f"give the new one another name, e.g. STACK=full, or leave {stack} out"
        )
    if task.paths.model(stack).is_file():
        raise PredictionError(f"{task.paths.model(stack)} is a file, so no stack can have that name", "give the YAML another name")
    check_one_kind(task.paths, stack, "stack")
    models = choose_models(task, asked)
    substacks = tuple(read_substack(task, model) for model in models if is_stack(task, model))
    for each in substacks:
        if each.recipe.features != recipe.features:
            tables = ", ".join(map(str, each.recipe.features)) or "none"
            raise PredictionError(
                f"{each.name} was made with other features ({tables})", f"give configs/stacks/{stack}.yaml the same `features`"
            )
    blended = {model for each in substacks for model in each.models}
    direct = [model for model in models if not is_stack(task, model)]
    members = []
    for model in sorted({*direct, *blended}):
        try:
            members.append(read_member(task, model))
        except PredictionError as error:
            if model not in direct:
                needs = next(each.name for each in substacks if model in each.models)
                raise PredictionError(f"the stack {needs} blends {model}: {error.what}", error.then) from None
            others = " ".join(other for other in models if other != model)
            leave = f'; or leave it out: make stack COMP={task.competition.name} MODELS="{others}"' if others and not asked else ""
            raise PredictionError(error.what, error.then + leave) from None
    recipes = {stack: recipe} | {each.name: each.recipe for each in substacks}
    return on_shared_classes(Inputs(task, tuple(models), tuple(members), substacks), recipes)


def on_shared_classes(inputs: Inputs, recipes: Mapping[str, Recipe]) -> Inputs:
    """Narrow everything to the classes that all models predict; a line says which, if these are not all.

    Args:
        recipes: those of the stack and of the stacks among its models, by name.

    Raises:
        PredictionError: the models share no such classes, or a recipe refers to classes by number.
    """
    task = inputs.task
    predicted = {each.name: provenance_of(task, each.name).classes for each in inputs.substacks}
    predicted |= {member.name: member.classes for member in inputs.members}
    shared = classes_of_all(predicted)
    if shared == task.classes.names:
        return inputs
    least = next(model for model, classes in predicted.items() if classes == shared)
    subset = f"{len(shared)} of {len(task.classes)} classes"
    for name, recipe in recipes.items():
        if any(map(numbers_classes, recipe.thresholds)):
            what = f"the stack {name} gives `ratios` by the numbers of all classes, and {least} predicts {subset}"
            raise PredictionError(what, f"leave them out of configs/stacks/{name}.yaml, or {least} out of MODELS")
    say(f"working on {subset}, all that {least} predicts: {', '.join(shared)}")
    return inputs.narrowed(shared)


def numbers_classes(rule: Mapping[str, Any]) -> bool:
    """Whether a threshold rule, or a rule inside it, refers to classes by number."""
    inner = [*rule.get("of", ()), *filter(None, [rule.get("own")])]
    return bool(rule.get("ratios")) or any(map(numbers_classes, inner))
