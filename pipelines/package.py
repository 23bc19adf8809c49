"""Write a folder that predicts without this repository and without a network connection: weights, code, a script and a notebook.

    make package                        the stack `default`
    make package STACK=full
    make package MODELS="densenet121"   the mean of some models' probabilities, with a threshold of 0.5

The folder runs by itself (python predict.py --images DIR), and is ready to be a dataset on Kaggle.
"""

from pathlib import Path

from comp.base.paths import PackagePaths
from comp.base.progress import say
from comp.deployment.package import write_package
from comp.deployment.trained_here import chosen_stack
from comp.predictions.task import load_task
from pipelines.command import predicting_parser, run

MEAN = "mean"  # the folder of a mean of models in a package, whose name may be too long for one


def main() -> None:
    arguments = predicting_parser(__doc__)
    arguments.add_argument("--out", type=Path, metavar="DIR", help="the folder (default: packages/<competition>/<stack>)")
    options = arguments.parse_args()

    task = load_task(options.competition)
    stack = chosen_stack(task, options.models, options.stack)
    out = options.out or task.paths.package(stack.name)
    size = write_package(task, stack, MEAN if options.models else stack.name, out)
    count = len(stack.needed)
    what = f"wrote {out}: {size:,.1f} MB, {count} {'model' if count == 1 else 'models'} x {task.folds.count} folds"
    say(f"{what}; {PackagePaths(out).readme()} says how to use it; try it: python {PackagePaths(out).script()} --images DIR")


if __name__ == "__main__":
    run(main)
