"""Compare our stacks with the tools people use, on the prediction files of one or several competitions and on the same outer folds.

    make bench-stack COMP=name
    make bench-stack COMP="one two three"

Each tool is fitted on the other folds and decides about the held-out one. Macro F1 is pooled over all held-out rows. Where a submission
needs a label for every image, an image without one gets its most likely class; elsewhere it stays empty. This is alike for every tool.
The first of our stacks is compared with all others. Several competitions get a table each, and one over all of them. Nothing is written.
"""

import os

from comp.base.command_line import positive
from comp.base.progress import say
from pipelines.command import parser, run


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--models", nargs="*", default=[], metavar="NAME", help="stack these (default: all complete ones)")
    arguments.add_argument(
        "--stack", default="default quick full", metavar="'NAME ...'", help="YAMLs of configs/stacks (default: these three)"
    )
    arguments.add_argument("--workers", type=positive, default=1, metavar="N", help="processes that fit our stacks (default: 1)")
    options = arguments.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # seconds of one core each; numpy reads this when it loads, so it is imported below

    from comp.base.errors import PredictionError
    from comp.base.paths import config
    from comp.folds.fold_map import HOLDOUT
    from comp.metrics.bootstrap import GroupBootstrap
    from comp.predictions.task import load_task
    from comp.stacking.inputs import read_inputs
    from comp.stacking.recipe import load_recipe
    from tests.benchmarks.all_contests import table_of_all
    from tests.benchmarks.contest import results, table
    from tests.benchmarks.entrants import Stacks, entrants

    recipes = {name: load_recipe(config("stacks", name)) for name in options.stack.split() or [options.stack]}

    def read(competition: str) -> Stacks:
        task, stacks = load_task(competition), {}
        for name, recipe in recipes.items():
            inputs = read_inputs(task, options.models, name, recipe)
            if inputs.substacks:
                raise PredictionError(
                    f"{inputs.substacks[0].name} is a stack, which the other tools cannot refit", "leave it out of MODELS"
                )
            stacks[name] = recipe, inputs.labelled(inputs.task.folds.fold != HOLDOUT, recipe.features)
        return stacks

    competitions = {name: read(name) for name in options.competition.split() or [options.competition]}  # errors come before hours of work
    found = {}
    for name, stacks in competitions.items():
        recipe, labelled = next(iter(stacks.values()))
        count = len(set(labelled.folds.tolist()))
        say(f"{name}: {len(labelled.models)} models on {len(labelled)} rows in {count} folds: {', '.join(labelled.models)}")
        bootstrap = GroupBootstrap(labelled.known_labels, labelled.groups, recipe.bootstraps, recipe.seed)
        found[name] = results(entrants(stacks, options.workers), bootstrap)
        say("\n" + table(found[name]) + "\n")
    if len(found) > 1:
        say(table_of_all(found))


if __name__ == "__main__":
    run(main)
