"""A picture of one image with its nearest neighbours."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from comp.base import registry
from comp.base.errors import DataError
from comp.base.files import atomic_write
from comp.base.paths import file_of
from comp.base.progress import say
from comp.competition.image_cache import full_size
from comp.folds.fold_map import HOLDOUT
from comp.images.pictures import colours
from comp.images.read import resize
from comp.neighbours.held_out import trained_on
from comp.neighbours.nearest import nearest
from comp.predictions.embeddings import Embeddings
from comp.predictions.task import Task

SIZE = 256  # pixels of an image in the picture
INCHES = 2.4  # its side in the picture


def draw_neighbours(task: Task, networks: Sequence[Embeddings], image_id: str, count: int) -> None:
    """Print and draw the `count` nearest train images of one image.

    An image in a fold is compared with the other folds, by its own fold's network. An image of the hold-out or the test set is compared
    with all folds, by the mean similarity over the networks.

    Raises:
        DataError: the competition has no images, or none with that id.
        PredictionError: the image has no embedding.
    """
    if image_id not in {*task.folds.ids, *task.test_ids}:
        raise DataError(f"{task.competition.name} has no image {image_id}", "give an id of its train table or its sample submission")
    if task.competition.images is None:
        raise DataError(f"competition {task.competition.name} has no images to show", "choose one with images: make neighbours COMP=...")
    place = {name: row for row, name in enumerate(task.folds.ids)}
    own = int(task.folds.fold[place[image_id]]) if image_id in place else HOLDOUT
    others, ids = trained_on(task.folds, own)
    using = [networks[own]] if own != HOLDOUT else list(networks)
    queries, candidates = (np.concatenate([network.of(some) for network in using], axis=1) for some in ([image_id], ids))
    found = nearest(queries, candidates, ids, count)
    similarity = found.similarity[0] / len(using)
    labels = task.classes.strings(task.labels)
    rows = others[found.places[0]]
    say(f"{'id':<40}{'similarity':>10}  labels")
    known = labels[place[image_id]] if image_id in place else "(test)"
    say(f"{image_id:<40}{'':>10}  {known}")
    for row, value in zip(rows, similarity, strict=True):
        say(f"{task.folds.ids[row]:<40}{value:>10.4f}  {labels[row]}")
    titles = [_title(task, place.get(image_id), "this image" if image_id in place else "this test image")]
    titles += [_title(task, int(row), f"{value:.3f}") for row, value in zip(rows, similarity, strict=True)]
    path = file_of(task.paths.neighbours(), image_id, ".png")
    with atomic_write(path) as file:
        _picture(_tiles(task, [image_id, *(task.folds.ids[row] for row in rows)]), titles).savefig(file, format="png", dpi=100)
    say(f"{path}: the same as a picture")


def _tiles(task: Task, ids: Sequence[str]) -> NDArray[np.uint8]:
    """(N, SIZE, SIZE, 3) images with all their channels in colour."""
    images = task.competition.images
    assert images is not None
    tiles = []
    for image_id in ids:
        split = "train" if image_id in task.folds.ids else "test"
        channels = full_size(task.competition, task.paths, split, image_id)
        tiles.append(np.dstack([resize(channel, SIZE) for channel in channels]))
    recipe = registry.build("channels", {"name": "pick"}).of(images.channels, task.competition.name)
    return colours(recipe.read(np.stack(tiles), np.arange(len(tiles))))


def _title(task: Task, row: int | None, first: str) -> str:
    if row is None:
        return first
    names = [name for name, is_positive in zip(task.classes.names, task.labels[row], strict=True) if is_positive]
    return "\n".join([first, *names])


def _picture(tiles: NDArray[np.uint8], titles: Sequence[str]) -> Figure:
    columns = min(4, len(tiles))
    lines = -(-len(tiles) // columns)
    figure = Figure(figsize=(INCHES * columns, (INCHES + 0.7) * lines), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, tile, title in zip(grid, tiles, titles, strict=False):
        axes.imshow(tile)
        axes.set_title(title, fontsize=8)
    return figure
