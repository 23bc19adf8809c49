"""Hold our stack against the tools people use, on any competition's prediction files, all of them on the same outer folds.

    make bench-stack COMP=name

Each is fitted on the other folds and decides about the held-out one; macro F1 is pooled over all held-out rows. Images left
without a label get their most likely class, whoever decided. Nothing is written.
"""

import os
from typing import TYPE_CHECKING

from pipelines.command import parser, run, say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from comp.rows import Rows
    from comp.stacking import Recipe
    from pipelines.benchmarks.contest import Entrant

AUTOGLUON = "AutoGluon, selection and threshold a class"


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--models", nargs="*", default=[], metavar="NAME", help="stack these (default: all complete ones)")
    arguments.add_argument("--stack", default="default", metavar="NAME", help="a YAML of configs/stacks (default: default)")
    options = arguments.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # before numpy comes: seconds of one core each

    from comp.errors import PredictionError
    from comp.folds import HOLDOUT
    from comp.paths import config
    from comp.resampling import GroupBootstrap
    from comp.stacking import load_recipe
    from pipelines.benchmarks.contest import table
    from pipelines.stack_inputs import load_task, read_inputs

    recipe = load_recipe(config("stacks", options.stack))
    inputs = read_inputs(load_task(options.competition), options.models, options.stack, recipe)
    task = inputs.task
    if inputs.substacks:
        raise PredictionError(f"{inputs.substacks[0].name} is a stack, which the other tools cannot refit", "leave it out of MODELS")
    rows = inputs.rows(task.folds.fold != HOLDOUT, recipe.features)
    say(f"{len(rows.models)} models on {len(rows)} rows in {task.folds.count} folds: {', '.join(rows.models)}")
    bootstrap = GroupBootstrap(rows.known_labels, rows.groups, recipe.bootstraps, recipe.seed)
    say("\n" + table(entrants(rows, recipe, options.stack), bootstrap))


def entrants(rows: "Rows", recipe: "Recipe", name: str) -> "list[Entrant]":
    """Everybody's decisions about held-out folds, ours first."""
    from comp.errors import CompError
    from pipelines.benchmarks.contest import Entrant, by_peer, timed
    from pipelines.benchmarks.peers.autogluon_process import AutoGluon
    from pipelines.benchmarks.peers.boosting import lightgbm_peer
    from pipelines.benchmarks.peers.logistic import scikit_learn_peer
    from pipelines.benchmarks.peers.simple import blend_and_cut

    def ours() -> "NDArray[np.bool_]":
        from comp.proof import prove

        return prove(rows, recipe.model_copy(update={"repeats": 1})).decisions[0]  # the first repeat is on the fold map's folds

    found = [
        timed(f"our procedure, {name}", ours),
        *(by_peer(f"{blender}, exact thresholds", blend_and_cut(blender), rows) for blender in ("best_single", "mean", "greedy")),
        by_peer("scikit-learn, tuned thresholds", scikit_learn_peer, rows),
        by_peer("LightGBM on the class' own logits", lightgbm_peer(all_classes=False), rows),
        by_peer("LightGBM on all logits", lightgbm_peer(all_classes=True), rows),
    ]
    try:
        with AutoGluon() as autogluon:
            found.append(by_peer(AUTOGLUON, autogluon.margins, rows))
    except CompError as error:
        found.append(Entrant(AUTOGLUON, note=str(error)))
    return found


if __name__ == "__main__":
    run(main)
