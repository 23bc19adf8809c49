"""How well a model draws missing channels, beside two baselines.

    make channels MODEL=channels-unet             of the competition's held-out images
    make channels MODEL=channels-unet DATA=dir    of other images, which have all channels

The network of each fold draws channels of the images that it never saw: each channel from all others, and all others from each channel
alone. Other images are drawn by the mean of all networks. "copying" puts the mean of the given channels in place of a missing one, with its
mean and deviation; "regression" is least squares for each pixel. Both are fitted on the networks' training images. Standard errors are over
groups, those of gains over paired images.

Two files are written: runs/<competition>/drawn-channels/<model>.csv with the numbers, and .png with some images as they are and as they
are drawn. With DATA their names end with that of the folder and eight digits of its path.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from comp.base.files import atomic_write, write_text
from comp.base.progress import say
from comp.competition.ids import KnownIds
from comp.competition.image_cache import prepare_cache
from comp.competition.tables import read_train
from comp.imputation.folder_scores import folder_scores, read_folder
from comp.imputation.held_out_scores import held_out_scores
from comp.imputation.score_table import score_text, summary
from comp.imputation.sheet import sheet
from comp.imputation.trained_generators import trained_generators
from comp.inference.channel_generator import Draws, MeanGenerator
from comp.predictions.task import load_task
from pipelines.command import parser, run

SHOWN = 6  # images in the picture


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--model", default="channels-unet", metavar="NAME", help="a model that draws channels (default: channels-unet)")
    arguments.add_argument("--data", type=Path, metavar="DIR", help="a folder of other images (default: the held-out ones)")
    options = arguments.parse_args()

    task = load_task(options.competition)
    generators = trained_generators(task, options.model)
    folds = task.folds.in_order(read_train(task.competition, task.paths)[0])
    size = next(iter(generators.values())).size
    images = prepare_cache(task.competition, task.paths, "train", size).images
    if len(generators) < folds.count:
        say(f"note: {len(generators)} of {folds.count} folds are trained, and only their networks draw")
    path = task.paths.drawn_channels(options.model, options.data)
    if options.data:
        assert task.competition.images is not None
        ids, others = read_folder(options.data, task.competition.images, size, path.with_suffix(".unusable.csv"))
        known = KnownIds(folds.ids)
        if seen := sum(bool(known.of(image_id)) for image_id in ids):
            say(f"note: {seen:,} of these images are in the train table, so networks were trained on them; leave DATA out to avoid that")
        write(path, folder_scores(ids, others, generators, folds, images))
        shown = _evenly(np.arange(len(ids)))
        draw(path, MeanGenerator(list(generators.values())), others[shown], [ids[row] for row in shown])
    else:
        write(path, held_out_scores(folds, generators, images))
        fold, generator = next(iter(generators.items()))
        shown = _evenly(np.flatnonzero(folds.fold == fold))
        draw(path, generator, images[shown], [folds.ids[row] for row in shown])


def write(path: Path, scores: pd.DataFrame) -> None:
    """Print the table, and write its numbers."""
    table = summary(scores)
    say(score_text(table))
    write_text(path, table.to_csv(index=False))
    say(f"wrote {path}")


def draw(path: Path, generator: Draws, images: NDArray[np.uint8], ids: list[str]) -> None:
    """Write the picture beside the table."""
    picture = path.with_suffix(".png")
    with atomic_write(picture) as file:
        sheet(generator, images, ids).savefig(file, format="png", dpi=120)
    say(f"wrote {picture}")


def _evenly(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(SHOWN, len(rows))).astype(int))]


if __name__ == "__main__":
    run(main)
