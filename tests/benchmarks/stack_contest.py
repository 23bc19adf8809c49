"""Compare our stack with the tools people use, on any competition's prediction files and on the same outer folds.

    make bench-stack COMP=name

Each tool is fitted on the other folds and decides about the held-out one. Macro F1 is pooled over all held-out rows. Where a submission
needs a label for every image, an image without one gets its most likely class; elsewhere it stays empty. This is alike for every tool.
Nothing is written.
"""

import os

from comp.base.progress import say
from pipelines.command import parser, run


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--models", nargs="*", default=[], metavar="NAME", help="stack these (default: all complete ones)")
    arguments.add_argument("--stack", default="default", metavar="NAME", help="a YAML of configs/stacks (default: default)")
    options = arguments.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # seconds of one core each; numpy reads this when it loads, so it is imported below

    from comp.base.errors import PredictionError
    from comp.base.paths import config
    from comp.folds.fold_map import HOLDOUT
    from comp.metrics.bootstrap import GroupBootstrap
    from comp.predictions.task import load_task
    from comp.stacking.inputs import read_inputs
    from comp.stacking.recipe import load_recipe
    from tests.benchmarks.contest import table
    from tests.benchmarks.entrants import entrants

    recipe = load_recipe(config("stacks", options.stack))
    inputs = read_inputs(load_task(options.competition), options.models, options.stack, recipe)
    task = inputs.task
    if inputs.substacks:
        raise PredictionError(f"{inputs.substacks[0].name} is a stack, which the other tools cannot refit", "leave it out of MODELS")
    labelled = inputs.labelled(task.folds.fold != HOLDOUT, recipe.features)
    say(f"{len(labelled.models)} models on {len(labelled)} rows in {task.folds.count} folds: {', '.join(labelled.models)}")
    bootstrap = GroupBootstrap(labelled.known_labels, labelled.groups, recipe.bootstraps, recipe.seed)
    say("\n" + table(entrants(labelled, recipe, options.stack), bootstrap))


if __name__ == "__main__":
    run(main)
