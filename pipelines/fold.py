"""Train one fold of one model, and predict its held-out fold and the test images.

Writes oof/<competition>/<model>/fold-<k>.parquet, test-<k>.parquet and run-<k>.json. An interrupted fold resumes from its checkpoint;
a complete fold is not trained again. Data, folds and image caches are made first if they are missing.
"""

from comp.training.fold_job import FoldJob
from comp.training.prepare import prepare
from comp.training.train_fold import train_fold
from pipelines.command import parser, run


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--model", required=True, metavar="NAME", help="a YAML of configs/models")
    arguments.add_argument("--fold", required=True, type=int, metavar="K", help="the fold to hold out, from 0")
    arguments.add_argument("--set", default="", metavar="'KEY=VALUE ...'", help="change the experiment, e.g. 'train.epochs=2 size=128'")
    arguments.add_argument("--checkpoint-minutes", type=float, default=5.0, metavar="M", help="time between checkpoints (default: 5)")
    options = arguments.parse_args()

    job = FoldJob(options.competition, options.model, options.fold, options.set, options.checkpoint_minutes)
    prepare([job])
    train_fold(job)


if __name__ == "__main__":
    run(main)
