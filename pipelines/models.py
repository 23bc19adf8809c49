"""Train all folds of one or more models, side by side where possible: one fold on each GPU, or as many as there are cores for.

With --engine ray they are trained by Ray: on the cluster that RAY_ADDRESS names, else on this machine. Without --models, the models in
the competition's YAML are trained. Complete folds are skipped; if one was made with other settings or data, nothing is trained unless
--retrain is given.
"""

from dataclasses import replace

from comp.base.command_line import positive
from comp.base.errors import ConfigError
from comp.base.paths import Paths
from comp.competition.competition import load_competition
from comp.folds.competition_folds import ensure_folds
from comp.training.engines.engine import ENGINES, EngineOptions, engine_of
from comp.training.fold_job import FoldJob
from comp.training.prepare import check_dependencies, check_not_trained_on, prepare
from pipelines.command import run, training_parser


def main() -> None:
    arguments = training_parser(__doc__)
    arguments.add_argument("--models", nargs="*", default=[], metavar="NAME", help="YAMLs of configs/models")
    arguments.add_argument("--workers", type=positive, metavar="N", help="folds trained side by side (default: GPUs, else cores / threads)")
    arguments.add_argument("--engine", default="local", metavar="NAME", help=f"where folds are trained: {', '.join(ENGINES)}")
    arguments.add_argument("--ship", action="store_true", help="with ray: copy what a fold needs to the node, even if it sees this folder")
    options = arguments.parse_args()
    if options.ship and options.engine != "ray":
        raise ConfigError("SHIP=1 copies files to the nodes of a cluster, and this engine has none", "add ENGINE=ray, or leave SHIP out")
    engine = engine_of(options.engine)

    competition = load_competition(options.competition)
    models = options.models or competition.models
    if not models:
        raise ConfigError(f"competition {competition.name} lists no models", "name one: make model MODEL=densenet121")
    if options.name and len(models) > 1:
        raise ConfigError(f"AS={options.name} is a name for one model, and there are {len(models)}", "type make model with MODEL and AS")
    more = (options.set, options.checkpoint_minutes, options.retrain, options.restart, options.keep)
    first_folds = [FoldJob(competition.name, model, 0, *more) for model in models]
    if options.name:
        first_folds = [first_folds[0].named(options.name)]
    engine.check(first_folds)
    prepare(first_folds)
    count = ensure_folds(competition, Paths(competition.name)).count
    jobs = [replace(job, fold=fold) for job in first_folds for fold in range(count)]
    check_dependencies(jobs)
    check_not_trained_on(jobs)
    engine.train(jobs, EngineOptions(options.workers, options.ship))


if __name__ == "__main__":
    run(main)
