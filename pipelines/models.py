"""Train all folds of one or more models, side by side where there is room: a fold a core, or a fold a GPU.

Without --models, those that the competition's YAML lists. Finished folds are skipped.
"""

from dataclasses import replace

from pipelines.command import parser, positive, run


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--models", nargs="*", default=[], metavar="NAME", help="YAMLs of configs/models")
    arguments.add_argument("--set", default="", metavar="'KEY=VALUE ...'", help="change the experiments, e.g. 'train.epochs=2 size=128'")
    arguments.add_argument("--workers", type=positive, metavar="N", help="folds trained side by side (default: GPUs, else cores / threads)")
    arguments.add_argument("--checkpoint-minutes", type=float, default=5.0, metavar="M", help="time between checkpoints (default: 5)")
    options = arguments.parse_args()

    from comp.competition import load_competition
    from comp.errors import ConfigError
    from comp.paths import Paths
    from pipelines.fold_files import Request
    from pipelines.folds import ensure_folds
    from pipelines.side_by_side import train_side_by_side
    from pipelines.training import prepare, refuse_untrained

    competition = load_competition(options.competition)
    models = options.models or competition.models
    if not models:
        raise ConfigError(f"competition {competition.name} lists no models", "name one: make model MODEL=densenet121")
    first = [Request(competition.name, model, 0, options.set, options.checkpoint_minutes) for model in models]
    prepare(first)
    count = ensure_folds(competition, Paths(competition.name)).count
    requests = [replace(request, fold=fold) for request in first for fold in range(count)]
    refuse_untrained(requests)
    train_side_by_side(requests, options.workers)


if __name__ == "__main__":
    run(main)
