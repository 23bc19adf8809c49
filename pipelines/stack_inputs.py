"""What a stack is made from: the task, the models' predictions, and stacks among the models."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.competition import load_competition, read_test_ids, read_train
from comp.errors import FoldError, PredictionError
from comp.features import read_features
from comp.members import (
    Member,
    Task,
    classes_of_all,
    is_stack,
    models_with_predictions,
    provenance_of,
    read_member,
    refuse_mixture,
    rows_of,
    test_rows_of,
    what_is_missing,
    why_left_out,
)
from comp.nest import SubStack
from comp.paths import Paths, configs
from comp.predictions import data_fingerprint
from comp.proof import Proof
from comp.rows import Rows
from comp.stack_files import read_substack, write_stack
from comp.stacking import Recipe
from comp.twins import averaged, test_duplicates
from pipelines.command import say
from pipelines.folds import ensure_folds
from pipelines.neighbour_features import refuse_outdated

FEWEST_FOLDS = 3  # one to judge by, one to choose by, one to fit on


@dataclass(frozen=True, eq=False)
class Inputs:
    """The models of a stack.

    Attributes:
        task: narrowed to the classes that all of them predict.
        models: what is blended, by name, stacks among them.
        members: predictions of the models, and of those that only stacks among them blend.
        substacks: the stacks among the models.
    """

    task: Task
    models: tuple[str, ...]
    members: tuple[Member, ...]
    substacks: tuple[SubStack, ...]

    def rows(self, some: NDArray[np.bool_], features: Sequence[Path]) -> Rows:
        """The train rows that the mask `some` (N,) picks, with labels."""
        rows = rows_of(self.members, self.task, some)
        return _with_features(rows, self.task, np.array(self.task.folds.ids)[some].tolist(), features)

    def narrowed(self, classes: Sequence[str]) -> "Inputs":
        """The same about these of its classes alone."""
        return replace(self, task=self.task.narrowed(classes), members=tuple(member.narrowed(classes) for member in self.members))

    @property
    def folds(self) -> int:
        """How many networks the test predictions are means of; 1 where all models were trained elsewhere."""
        return max(len(member.test_by_fold) for member in self.members)

    def test_rows(self, features: Sequence[Path], fold: int | None = None) -> Rows:
        """The test rows in the order of the sample submission; near-duplicates get their mean probabilities.

        Args:
            fold: as the networks of this fold alone see them, not as the mean over folds.
        """
        component = test_duplicates(self.task.paths, self.task.test_ids)
        rows = replace(test_rows_of(self.members, self.task, fold), groups=component)
        return _with_features(averaged(rows, component), self.task, self.task.test_ids, features)


def write_own_predictions(inputs: Inputs, proof: Proof, recipe: Recipe, name: str, test: Rows) -> None:
    """What the stack predicts, as a model of other stacks.

    Args:
        test: the blended test rows.
    """
    files = {member.name: member.files for member in inputs.members} | {each.name: {} for each in inputs.substacks}
    write_stack(inputs.task, name, recipe, {model: files[model] for model in inputs.models}, proof.blend, test.logits[0])


def _with_features(rows: Rows, task: Task, ids: Sequence[str], features: Sequence[Path]) -> Rows:
    if not features:
        return rows
    for path in features:
        refuse_outdated(task, path)
    tables = [read_features(path, ids, task.competition.columns.id) for path in features]
    return replace(rows, features=np.concatenate(tables, axis=1))


def load_task(name: str) -> Task:
    """What every model must have predicted; the fold map is made where it is missing.

    Raises:
        FoldError: fewer folds than a proof needs.
    """
    competition, paths = load_competition(name), Paths(name)
    folds = ensure_folds(competition, paths)
    if folds.count < FEWEST_FOLDS:
        what = f"{paths.folds()} has {folds.count} folds, and the choice between candidates needs {FEWEST_FOLDS}"
        then = "ask for more in the competition's YAML, `folds: {count: 5}`, remove the map and the predictions made with it"
        raise FoldError(what, f"{then}, then: make folds COMP={name}")
    ids, labels = read_train(competition, paths)
    order = sorted(range(len(ids)), key=ids.__getitem__)
    folds = folds.in_order([ids[row] for row in order])
    data = data_fingerprint(ids, labels)
    return Task(competition, paths, folds, competition.labels, labels[order], read_test_ids(competition, paths), data)


def read_inputs(task: Task, asked: list[str], stack: str, recipe: Recipe) -> Inputs:
    """The models asked for, else all complete ones; a stack among them is refitted, so that its models are read too.

    Where one of them predicts a part of the classes, all are narrowed to that part, which is said.

    Raises:
        PredictionError: a file is not what it should be; says how to leave out a model that was not asked for. Or the models share
            no such part, or the recipe numbers the classes of the whole.
    """
    if stack in asked:
        raise PredictionError(
            f"the stack {stack} cannot be a model of itself", f"give the new one another name, e.g. STACK=full, or leave {stack} out"
        )
    if task.paths.model(stack).is_file():
        raise PredictionError(f"{task.paths.model(stack)} is a file, so that no stack can have that name", "call the YAML otherwise")
    refuse_mixture(task.paths, stack, "stack")
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
    """Everything narrowed to the classes that all models predict; says which, where these are not all.

    Args:
        recipes: those of the stack and of the stacks among its models, by name.

    Raises:
        PredictionError: the models share no such classes, or a recipe numbers the classes of the whole competition.
    """
    task = inputs.task
    predicted = {each.name: provenance_of(task, each.name).classes for each in inputs.substacks}
    predicted |= {member.name: member.classes for member in inputs.members}
    shared = classes_of_all(predicted)
    if shared == task.classes.names:
        return inputs
    least = next(model for model, classes in predicted.items() if classes == shared)
    part = f"{len(shared)} of {len(task.classes)} classes"
    for name, recipe in recipes.items():
        if any(map(numbers_classes, recipe.thresholds)):
            what = f"the stack {name} gives `ratios` by the numbers of all classes, and {least} predicts {part}"
            raise PredictionError(what, f"leave them out of configs/stacks/{name}.yaml, or {least} out of MODELS")
    say(f"working on {part}, all that {least} predicts: {', '.join(shared)}")
    return inputs.narrowed(shared)


def numbers_classes(rule: Mapping[str, Any]) -> bool:
    """Whether a threshold rule, or one inside it, gives something by the number of the class."""
    inner = [*rule.get("of", ()), *filter(None, [rule.get("own")])]
    return bool(rule.get("ratios")) or any(map(numbers_classes, inner))


def choose_models(task: Task, asked: list[str]) -> list[str]:
    """The models asked for, else all complete ones; says which are left out, and why.

    Raises:
        PredictionError: there is no complete model of all classes, or none of a name.
    """
    if asked:
        refuse_unknown(task, asked)
        return sorted(set(asked))
    missing = {model: why_left_out(task, model) for model in models_with_predictions(task.paths)}
    for model, reason in missing.items():
        if reason:
            say(f"left out: {model}, {reason}")
    complete = [model for model, reason in missing.items() if not reason]
    if not complete:
        partial = [model for model in missing if not is_stack(task, model) and not what_is_missing(task, model)]
        if partial:
            what = f"{task.paths.oof()} holds no complete model of all {len(task.classes)} classes"
            raise PredictionError(what, f'ask by name: make stack COMP={task.competition.name} MODELS="{" ".join(partial)}"')
        then = f"make model COMP={task.competition.name} MODEL=densenet121, or bring predictions with make import"
        raise PredictionError(f"{task.paths.oof()} holds no complete model", then)
    return complete


def refuse_unknown(task: Task, models: Sequence[str]) -> None:
    """Raise PredictionError if a model has neither predictions here nor a YAML by which to make them."""
    here, yamls = models_with_predictions(task.paths), configs("models")
    for model in models:
        if model not in (*here, *yamls):
            near = difflib.get_close_matches(model, [*here, *yamls], n=1)
            then = f"did you mean {near[0]}?" if near else f"choose one of: {', '.join(here or yamls)}"
            raise PredictionError(f"there is no model {model} in {task.paths.oof()}, nor in configs/models", then)
