"""Draw some train images as every channel recipe shows them to a network: a row for each image, a column for each recipe.

    make gallery COMP=hpa

The rows go from the rarest label to the most frequent one. Three channels are shown as red, green and blue. A fourth is added to red
and green, as the Human Protein Atlas shows yellow.
"""

import numpy as np

from comp.base.errors import DataError
from comp.base.files import atomic_write
from comp.base.paths import Paths
from comp.base.progress import say
from comp.competition.channel_gallery import fitting_recipes, picture, rows_of_different_labels
from comp.competition.competition import load_competition
from comp.competition.data import ensure_data
from comp.competition.image_cache import full_size
from comp.competition.tables import read_train
from comp.images.read import resize
from pipelines.command import parser, run

SIZE = 256  # pixels of a tile
SEED = 0


def main() -> None:
    options = parser(__doc__).parse_args()
    competition, paths = load_competition(options.competition), Paths(options.competition)
    recipes = fitting_recipes(competition)
    ensure_data(competition, paths)
    ids, labels = read_train(competition, paths)
    chosen = rows_of_different_labels(labels, np.random.default_rng(SEED))
    if not chosen:
        raise DataError(f"no train image of {competition.name} has a label", "check its train table")
    images = np.stack([np.dstack([resize(plane, SIZE) for plane in full_size(competition, paths, "train", ids[row])]) for row in chosen])
    titles = ["\n".join(np.array(competition.classes)[labels[row]]) for row in chosen]
    with atomic_write(paths.gallery()) as file:
        picture(images, recipes, titles).savefig(file, format="png", dpi=120)
    say(f"{paths.gallery()}: {len(images)} images as {', '.join(recipes)} show{'s' * (len(recipes) == 1)} them")


if __name__ == "__main__":
    run(main)
