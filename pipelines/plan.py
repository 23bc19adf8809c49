"""What the training of a model will take: hours, disk and memory, from a few steps on this machine; and what will not fit.

    make plan MODEL=densenet121 COMP=hpa
    make plan MODEL=densenet121 COMP=hpa SET="size=1024 train.batch_size=8" WORKERS=1

It needs tables, and neither caches nor trained folds. Everything that it writes is temporary.
"""

from comp.base.command_line import positive
from comp.base.progress import say
from comp.training.fold_job import FoldJob
from comp.training.plan import plan_of
from comp.training.plan_table import plan_lines
from pipelines.command import parser, run


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--model", required=True, metavar="NAME", help="a YAML of configs/models")
    arguments.add_argument("--set", default="", metavar="'KEY=VALUE ...'", help="change the experiment, e.g. 'train.epochs=2 size=128'")
    arguments.add_argument("--workers", type=positive, metavar="N", help="folds trained side by side (default: GPUs, else cores / threads)")
    arguments.add_argument("--no-keep", dest="keep", action="store_false", help="no network weights are kept")
    options = arguments.parse_args()

    job = FoldJob(options.competition, options.model, 0, options.set, keep=options.keep)
    say("\n".join(plan_lines(plan_of(job, options.workers))))


if __name__ == "__main__":
    run(main)
