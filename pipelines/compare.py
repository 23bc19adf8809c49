"""Whole stacks beside each other, on the same rows.

    make compare MODELS="cascade arcface+densenet121 arcface densenet121"

Each word is a stack of models, joined by `+`; the first one is compared with each of the others. Each is chosen and fitted by itself. Their
nested scores are given on all rows and, apart, on those whose antibody (group) other folds have images of and those whose antibody is
new; on a drawn competition the sealed labels of the test images score them too. Nothing is written.
"""

from typing import TYPE_CHECKING

from pipelines.command import parser, run, say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from comp.members import Task
    from comp.resampling import Scored
    from comp.stacking import Recipe
    from pipelines.stack_inputs import Inputs

DRAWS = 1000


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--models", nargs="*", default=[], metavar="A+B", help="the stacks, each of models joined by +")
    arguments.add_argument("--stack", default="default", metavar="NAME", help="a YAML of configs/stacks (default: default)")
    options = arguments.parse_args()

    from comp.errors import ConfigError

    stacks = {word: word.split("+") for word in options.models}
    then = 'name models joined by +, as in MODELS="a+b a b"'
    for word, models in stacks.items():
        if "" in models or len(set(models)) < len(models):
            raise ConfigError(f"MODELS: {word!r} is no stack of different models", then)
    if len({frozenset(models) for models in stacks.values()}) < max(2, len(options.models)):
        raise ConfigError("MODELS: there are not two stacks, or two are the same", then)
    compare(options.competition, options.stack, stacks)


def compare(competition: str, stack: str, stacks: "Mapping[str, Sequence[str]]") -> None:
    """Print what stacks of models score, on the classes that all of them predict, and how much the first one gains over each of the others.

    Args:
        stack: the recipe of all of them.
        stacks: name -> models.
    """
    import numpy as np

    from comp.folds import HOLDOUT
    from comp.members import classes_of_all
    from comp.paths import config
    from comp.stacking import load_recipe
    from pipelines.stack_inputs import load_task, read_inputs

    recipe, task = load_recipe(config("stacks", stack)), load_task(competition)
    inputs = {name: read_inputs(task, list(models), stack, recipe) for name, models in stacks.items()}
    shared = classes_of_all({name: each.task.classes.names for name, each in inputs.items()})
    inputs = {name: each.narrowed(shared) for name, each in inputs.items()}
    task = next(iter(inputs.values())).task
    in_folds = task.folds.fold != HOLDOUT
    nested, on_test = {}, {}
    for name, each in inputs.items():
        nested[name], on_test[name] = decisions(each, recipe, in_folds)
    labels, known = task.labels[in_folds], task.folds.known()[in_folds]
    groups = np.unique(np.array(task.folds.group)[in_folds], return_inverse=True)[1]
    columns = {"nested": scored(nested, labels, groups)}
    for title, some in (("known antibodies", known), ("new antibodies", ~known)):
        part = {name: decided[some] for name, decided in nested.items()}
        columns[f"{title} ({some.sum()})"] = scored(part, labels[some], groups[some])
    say("\n" + table(columns | sealed(task, on_test)))


def decisions(inputs: "Inputs", recipe: "Recipe", in_folds: "NDArray[np.bool_]") -> "tuple[NDArray[np.bool_], NDArray[np.bool_]]":
    """What a stack decides about the rows in folds, each by one that has not seen its fold, and about the test images."""
    from comp.proof import prove
    from pipelines.stack import stacks_for_test

    rows = inputs.rows(in_folds, recipe.features)
    proof = prove(rows, recipe, models=inputs.models, substacks=inputs.substacks)
    for_test = stacks_for_test(inputs, rows, inputs.test_rows(recipe.features), proof, recipe)
    return proof.decisions[0], for_test.deciding.decide(for_test.blend)[0]


def scored(decided: "Mapping[str, NDArray[np.bool_]]", labels: "NDArray[np.bool_]", groups: "NDArray[np.int64]") -> "dict[str, Scored]":
    """Macro F1 of each over the classes that the rows have; nothing without rows."""
    from comp.resampling import GroupBootstrap

    present = labels.any(axis=0)
    if not present.any():
        return {}
    bootstrap = GroupBootstrap(labels[:, present], groups, DRAWS, seed=0)
    return {name: bootstrap.score(each[:, present]) for name, each in decided.items()}


def sealed(task: "Task", decided: "Mapping[str, NDArray[np.bool_]]") -> "dict[str, dict[str, Scored]]":
    """The same on the test images of a drawn competition, whose labels are known; nothing elsewhere."""
    import numpy as np

    from pipelines.score import read_labels, sealed_labels

    if task.competition.practice is None:
        return {}
    ids, labels, parts = read_labels(sealed_labels(task.competition, task.paths), task.competition)
    labels = labels[:, [task.competition.classes.index(name) for name in task.classes.names]]
    place = {image_id: row for row, image_id in enumerate(task.test_ids)}
    rows = np.array([place[image_id] for image_id in ids])
    found = {}
    for part in sorted(set(parts)):
        some = parts == part
        found[part] = scored({name: each[rows[some]] for name, each in decided.items()}, labels[some], np.arange(some.sum()))
    return found


def table(columns: "Mapping[str, Mapping[str, Scored]]") -> str:
    from pipelines.stack_table import aligned

    first, *others = columns["nested"]
    lines = [["macro F1", *columns]]
    for name in (first, *others):
        lines.append([name, *(f"{scores[name].estimate:.4f}" if scores else "-" for scores in columns.values())])
    if others:
        lines.append([f"{first} minus", *[""] * len(columns)])
    for other in others:
        gains = [f"{scores[first].over(scores[other]):+.4f}" if scores else "-" for scores in columns.values()]
        lines.append([f"  {other}", *gains])
    notes = [
        "nested: each stack's whole procedure on folds it has not seen; macro F1 over the classes that the rows of a column have;",
        "+-: standard error over groups (of test images: over images), of differences paired",
    ]
    return "\n".join([*aligned(lines), *notes])


if __name__ == "__main__":
    run(main)
