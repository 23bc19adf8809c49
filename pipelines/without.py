"""What one model is worth: the stack with it and without it, on the same rows.

    make without MODEL=arcface-resnet50

Both are whole stacks, each with a choice of its own. Their nested scores are compared on all rows and, apart, on those whose antibody
(group) other folds have images of and those whose antibody is new; on a drawn competition the sealed labels of the test images score
both too. Nothing is written.
"""

from typing import TYPE_CHECKING

from pipelines.command import parser, run, say

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from comp.members import Task
    from comp.resampling import Estimate

DRAWS = 1000


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--model", required=True, metavar="NAME", help="the model to leave out")
    arguments.add_argument("--models", nargs="*", default=[], metavar="NAME", help="those to stack it with (default: all complete ones)")
    arguments.add_argument("--stack", default="default", metavar="NAME", help="a YAML of configs/stacks (default: default)")
    options = arguments.parse_args()

    import numpy as np

    from comp.errors import PredictionError
    from comp.folds import HOLDOUT
    from comp.paths import config
    from comp.proof import prove
    from comp.stacking import load_recipe
    from pipelines.stack import stacks_for_test
    from pipelines.stack_inputs import choose_models, load_task, read_inputs

    recipe, task = load_recipe(config("stacks", options.stack)), load_task(options.competition)
    asked = [model for model in options.models if model]
    models = choose_models(task, [*asked, options.model] if asked else [])
    others = [model for model in models if model != options.model]
    if options.model not in models or not others:
        what = f"{options.model} is {'the only model' if options.model in models else 'no complete model'} of {task.competition.name}"
        raise PredictionError(what, f"train it, and others: make model COMP={task.competition.name} MODEL={options.model}")
    task = read_inputs(task, models, options.stack, recipe).task
    in_folds = task.folds.fold != HOLDOUT
    nested, on_test = {}, {}
    for name, members in {f"with {options.model}": models, "without": others}.items():
        inputs = read_inputs(task, members, options.stack, recipe)
        say(f"{name}: {', '.join(inputs.models)}")
        rows = inputs.rows(in_folds, recipe.features)
        proof = prove(rows, recipe, models=inputs.models, substacks=inputs.substacks)
        nested[name] = proof.decisions[0]
        for_test = stacks_for_test(inputs, rows, inputs.test_rows(recipe.features), proof, recipe)
        on_test[name] = for_test.deciding.decide(for_test.blend)[0]
    labels, known = task.labels[in_folds], task.folds.known()[in_folds]
    groups = np.unique(np.array(task.folds.group)[in_folds], return_inverse=True)[1]
    columns = {"nested": scored(nested, labels, groups)}
    for name, some in (("known antibodies", known), ("new antibodies", ~known)):
        columns[f"{name} ({some.sum()})"] = scored(
            {each: decisions[some] for each, decisions in nested.items()}, labels[some], groups[some]
        )
    columns |= sealed(task, on_test)
    say("\n" + table(columns))


def scored(
    decisions: "Mapping[str, NDArray[np.bool_]]", labels: "NDArray[np.bool_]", groups: "NDArray[np.int64]"
) -> "list[Estimate] | None":
    """Macro F1 over the classes that the rows have, of each, and how much higher the first is; None without rows."""
    from comp.resampling import GroupBootstrap

    if not labels.any():
        return None
    present = labels.any(axis=0)
    bootstrap = GroupBootstrap(labels[:, present], groups, DRAWS, seed=0)
    first, second = (bootstrap.score(each[:, present]) for each in decisions.values())
    return [first.estimate, second.estimate, first.over(second)]


def sealed(task: "Task", decisions: "Mapping[str, NDArray[np.bool_]]") -> "dict[str, list[Estimate] | None]":
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
        found[part] = scored({each: tested[rows[some]] for each, tested in decisions.items()}, labels[some], np.arange(some.sum()))
    return found


def table(columns: "Mapping[str, list[Estimate] | None]") -> str:
    from pipelines.stack_table import aligned

    lines = [["macro F1", *columns]]
    for row, name in enumerate(("with", "without", "difference")):
        sign = "+" if name == "difference" else ""
        cells = [f"{each[row].value:{sign}.4f} +- {each[row].error:.4f}" if each else "-" for each in columns.values()]
        lines.append([name, *cells])
    notes = [
        "nested: each stack's whole procedure on folds it has not seen; macro F1 over the classes that the rows of a column have;",
        "+-: standard error over groups (of test images: over images), of differences paired",
    ]
    return "\n".join([*aligned(lines), *notes])


if __name__ == "__main__":
    run(main)
