"""Train one fold of one model and write its predictions of the held-out fold and of the test images.

Writes oof/<competition>/<model>/fold-<k>.parquet, test-<k>.parquet and run-<k>.json. Interrupted, it goes on where it was;
finished, it does nothing. Data, cache and folds are made first where they are missing.
"""

from pipelines.command import parser, run


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--model", required=True, metavar="NAME", help="a YAML of configs/models")
    arguments.add_argument("--fold", required=True, type=int, metavar="K", help="the fold to hold out, from 0")
    arguments.add_argument("--set", default="", metavar="'KEY=VALUE ...'", help="change the experiment, e.g. 'train.epochs=2 size=128'")
    arguments.add_argument("--checkpoint-minutes", type=float, default=5.0, metavar="M", help="time between checkpoints (default: 5)")
    options = arguments.parse_args()

    from pipelines.fold_files import Request
    from pipelines.training import prepare, train_fold

    request = Request(options.competition, options.model, options.fold, options.set, options.checkpoint_minutes)
    prepare([request])
    train_fold(request)


if __name__ == "__main__":
    run(main)
