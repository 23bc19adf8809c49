"""Train all folds of one or more models, side by side where possible: one fold on each GPU, or as many as there are cores for.

Without --models, the models in the competition's YAML are trained. Complete folds are skipped.
"""

from dataclasses import replace

from comp.base.errors import ConfigError
from comp.base.paths import Paths
from comp.competition.competition import load_competition
from comp.folds.competition_folds import ensure_folds
from comp.training.fold_job import FoldJob
from comp.training.prepare import check_dependencies, prepare
from comp.training.side_by_side import train_side_by_side
from pipelines.command import parser, positive, run


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--models", nargs="*", default=[], metavar="NAME", help="YAMLs of configs/models")
    arguments.add_argument("--set", default="", metavar="'KEY=VALUE ...'", help="change the experiments, e.g. 'train.epochs=2 size=128'")
    arguments.add_argument("--workers", type=positive, metavar="N", help="folds trained side by side (default: GPUs, else cores / threads)")
    arguments.add_argument("--checkpoint-minutes", type=float, default=5.0, metavar="M", help="time between checkpoints (default: 5)")
    options = arguments.parse_args()

    competition = load_competition(options.competition)
    models = options.models or competition.models
    if not models:
        raise ConfigError(f"competition {competition.name} lists no models", "name one: make model MODEL=densenet121")
    first_folds = [FoldJob(competition.name, model, 0, options.set, options.checkpoint_minutes) for model in models]
    prepare(first_folds)
    count = ensure_folds(competition, Paths(competition.name)).count
    jobs = [replace(job, fold=fold) for job in first_folds for fold in range(count)]
    check_dependencies(jobs)
    train_side_by_side(jobs, options.workers)


if __name__ == "__main__":
    run(main)
