"""What a stack is made from: the task, the models' predictions, and stacks among the models."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comp.competition import load_competition, read_test_ids, read_train
from comp.errors import FoldError, PredictionError
from comp.features import read_features
from comp.members import Member, Task, is_stack, models_with_predictions, read_member, refuse_mixture, rows_of, test_rows_of, why_left_out
from comp.nest import SubStack
from comp.paths import Paths
from comp.proof import Proof
from comp.rows import Rows
from comp.stack_files import read_substack, write_stack
from comp.stacking import Recipe
from comp.twins import averaged, test_duplicates
from pipelines.command import say
from pipelines.folds import ensure_folds

FEWEST_FOLDS = 3  # one to judge by, one to choose by, one to fit on


@dataclass(frozen=True, eq=False)
class Inputs:
    """The models of a stack.

    Attributes:
        models: what is blended, by name, stacks among them.
        members: predictions of the models, and of those that only stacks among them blend.
        substacks: the stacks among the models.
    """

    models: tuple[str, ...]
    members: tuple[Member, ...]
    substacks: tuple[SubStack, ...]

    def rows(self, task: Task, some: NDArray[np.bool_], features: Sequence[Path]) -> Rows:
        """The train rows that the mask `some` (N,) picks, with labels."""
        rows = rows_of(self.members, task, some)
        return _with_features(rows, task, np.array(task.folds.ids)[some].tolist(), features)

    @property
    def folds(self) -> int:
        """How many networks the test predictions are means of; 1 where all models were trained elsewhere."""
        return max(len(member.test_by_fold) for member in self.members)

    def test_rows(self, task: Task, features: Sequence[Path], fold: int | None = None) -> Rows:
        """The test rows in the order of the sample submission; near-duplicates get their mean probabilities.

        Args:
            fold: as the networks of this fold alone see them, not as the mean over folds.
        """
        component = test_duplicates(task.paths, task.test_ids)
        rows = replace(test_rows_of(self.members, task, fold), groups=component)
        return _with_features(averaged(rows, component), task, task.test_ids, features)


def write_own_predictions(inputs: Inputs, task: Task, proof: Proof, recipe: Recipe, name: str, test: Rows) -> None:
    """What the stack predicts, as a model of other stacks.

    Args:
        test: the blended test rows.
    """
    files = {member.name: member.files for member in inputs.members} | {each.name: {} for each in inputs.substacks}
    write_stack(task, name, recipe, {model: files[model] for model in inputs.models}, proof.blend, test.logits[0])


def _with_features(rows: Rows, task: Task, ids: Sequence[str], features: Sequence[Path]) -> Rows:
    if not features:
        return rows
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
    return Task(competition, paths, folds, labels[order], read_test_ids(competition, paths))


def read_inputs(task: Task, asked: list[str], stack: str, recipe: Recipe) -> Inputs:
    """The models asked for, else all complete ones; a stack among them is refitted, so that its models are read too.

    Raises:
        PredictionError: a file is not what it should be; says how to leave out a model that was not asked for.
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
    return Inputs(tuple(models), tuple(members), substacks)


def choose_models(task: Task, asked: list[str]) -> list[str]:
    """The models asked for, else all complete ones; says which are left out, and why.

    Raises:
        PredictionError: there is no complete model.
    """
    if asked:
        return sorted(set(asked))
    missing = {model: why_left_out(task, model) for model in models_with_predictions(task.paths)}
    for model, reason in missing.items():
        if reason:
            say(f"left out: {model}, {reason}")
    complete = [model for model, reason in missing.items() if not reason]
    if not complete:
        then = f"make model COMP={task.competition.name} MODEL=densenet121, or bring predictions with make import"
        raise PredictionError(f"{task.paths.oof()} holds no complete model", then)
    return complete
