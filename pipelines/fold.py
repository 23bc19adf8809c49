"""Train one fold of one model, and predict its held-out fold and the test images.

Writes oof/<competition>/<model>/weights-<k>.safetensors, fold-<k>.parquet, test-<k>.parquet and run-<k>.json. An interrupted fold resumes
from its checkpoint; a trained network only predicts; a complete fold is not trained again, and one that was made with other settings is
not replaced unasked. Data, folds and image caches are made first if they are missing.
"""

from comp.base.progress import say
from comp.training.fold_job import FoldJob
from comp.training.made_otherwise import unlike_folds
from comp.training.prepare import prepare
from comp.training.train_fold import train_fold
from pipelines.command import run, training_parser


def main() -> None:
    arguments = training_parser(__doc__)
    arguments.add_argument("--model", required=True, metavar="NAME", help="a YAML of configs/models")
    arguments.add_argument("--fold", required=True, type=int, metavar="K", help="the fold to hold out, from 0")
    options = arguments.parse_args()

    more = (options.set, options.checkpoint_minutes, options.retrain, options.restart, options.keep)
    job = FoldJob(options.competition, options.model, options.fold, *more)
    if options.name:
        job = job.named(options.name)
    prepare([job])
    train_fold(job)
    if line := unlike_folds(job):
        say(line)


if __name__ == "__main__":
    run(main)
