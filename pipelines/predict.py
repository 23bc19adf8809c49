"""Predict new images with trained models, and label them with a finished stack.

    make predict DATA=dir                          the stack `default` labels the images in a folder
    make predict DATA=ids.csv STACK=full           images of the competition, by a column of ids
    make predict DATA=dir MODELS="densenet121"     the mean of some models' probabilities, with a threshold of 0.5

Files are named as the competition's test images are. OUT names the CSV of labels, as the competition wants it; beside it comes a Parquet
table with the probability of every class.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from comp.base.command_line import positive
from comp.base.errors import ConfigError, DataError
from comp.base.progress import say
from comp.deployment.labelling import label_images, write_labels, write_probabilities
from comp.deployment.new_images import find_images
from comp.deployment.trained_here import chosen_stack, models_here
from comp.predictions.features import read_features
from comp.predictions.task import Task, load_task
from comp.stacking.averaged_copies import averaged
from comp.stacking.fitted_stack import FittedStack
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.test_duplicates import test_duplicates
from pipelines.command import predicting_parser, run


def main() -> None:
    arguments = predicting_parser(__doc__)
    arguments.add_argument("--data", type=Path, metavar="PATH", help="a folder of images, or a CSV of ids (default: the test images)")
    arguments.add_argument("--out", type=Path, metavar="CSV", help="where the labels go (default: submissions/<competition>/predict/)")
    arguments.add_argument("--batch", type=positive, metavar="N", help="images at once (default: twice the batch size of training)")
    options = arguments.parse_args()

    task = load_task(options.competition)
    stack = chosen_stack(task, options.models, options.stack)
    paths, columns = task.paths, task.competition.columns
    out = options.out or paths.new_labels(stack.name, options.data)
    if options.out:
        check_new(out)
    images = find_images(task.competition, paths, options.data)
    say(f"predicting {len(images.files):,} images with {task.folds.count} folds of {', '.join(stack.needed)}")
    if options.models:
        say("note: no thresholds were tuned for these models, so 0.5 decides; make stack MODELS=... tunes them")

    def prepare(predictions: PredictionSet) -> PredictionSet:
        return predictions if options.models else as_in_a_submission(predictions, task, stack, tuple(images.files))

    labelled = label_images(models_here(task, options.batch), stack, images, out, prepare)
    write_probabilities(out.with_suffix(".parquet"), labelled, columns.id)
    write_labels(out, labelled, task.competition.labels, columns.id, columns.predicted)
    say(f"wrote {out} and {out.with_suffix('.parquet').name}: {labelled.decisions.sum(axis=1).mean():.2f} labels an image")


def check_new(out: Path) -> None:
    """Check that OUT can be written without replacing anything.

    Raises:
        ConfigError: it is no name of a CSV.
        DataError: it, or the table beside it, exists.
    """
    if out.suffix != ".csv":
        raise ConfigError(f"OUT={out} is no name of a CSV", "let it end with .csv")
    for path in (out, out.with_suffix(".parquet")):
        if path.exists():
            raise DataError(f"{path} exists", "remove it, or choose another OUT")


def as_in_a_submission(predictions: PredictionSet, task: Task, stack: FittedStack, ids: tuple[str, ...]) -> PredictionSet:
    """The predictions with the mean for near-duplicates among the test images, and with the features that the stack uses."""
    if set(ids) == set(task.test_ids):
        predictions = averaged(predictions, test_duplicates(task.paths, ids))
    if not stack.features:
        return predictions
    tables = [read_features(Path(path), ids, task.competition.columns.id) for path in stack.features]
    return replace(predictions, features=np.concatenate(tables, axis=1))


if __name__ == "__main__":
    run(main)
