"""Print a job array for Slurm that trains all folds of a model, one element a fold: make slurm MODEL=densenet121 > folds.sbatch

The model is checked, and data, folds and image caches that are missing are made, before the script is printed: then no element of the array
does it. A fold gets what `resources` in the model's YAML says. Options of sbatch, such as --time and --partition, come before the script's
name. An element that is stopped is queued again, and goes on from its checkpoint.
"""

import contextlib
import sys

from comp.base.progress import say
from comp.competition.competition import load_competition
from comp.folds.competition_folds import ensure_folds
from comp.training.engines.demand import demand_of
from comp.training.engines.slurm_script import slurm_script
from comp.training.fold_job import FoldJob
from comp.training.prepare import prepare
from pipelines.command import run, training_parser


def main() -> None:
    arguments = training_parser(__doc__)
    arguments.add_argument("--model", required=True, metavar="NAME", help="a YAML of configs/models")
    options = arguments.parse_args()

    competition = load_competition(options.competition)
    more = (options.set, options.checkpoint_minutes, options.retrain, options.restart, options.keep)
    job = FoldJob(competition.name, options.model, 0, *more)
    with contextlib.redirect_stdout(sys.stderr):  # what is printed there is the script alone
        if options.name:
            job = job.named(options.name)
        prepare([job])
        _, experiment, paths = job.load()
        count = ensure_folds(competition, paths).count
    log = paths.job_log(job.model)
    log.parent.mkdir(parents=True, exist_ok=True)
    flags = {"RETRAIN": options.retrain, "RESTART": options.restart}
    variables = {"COMP": competition.name, "MODEL": job.model, **({"SET": job.settings} if job.settings else {})}
    variables |= {name: "1" for name, asked in flags.items() if asked} | ({} if options.keep else {"KEEP": "0"})
    say(slurm_script(job.model, count, demand_of(experiment, has_gpus=True), log, variables))


if __name__ == "__main__":
    run(main)
