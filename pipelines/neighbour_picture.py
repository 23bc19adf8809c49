"""Pictures of `make neighbours`: an image with its neighbours, and a map of all embeddings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from comp import parts
from comp.data.images import read_planes, resize
from comp.embeddings import Embeddings
from comp.errors import DataError
from comp.files import atomic_write
from comp.folds import HOLDOUT
from comp.members import Task
from comp.neighbours import nearest
from pipelines.command import say
from pipelines.gallery import colours

SIZE = 256  # pixels of a tile
INCHES = 2.4  # its side in the picture
MOST = 4000  # images on a map
COLOURED = 9  # classes that have a colour of their own


def show(task: Task, networks: Sequence[Embeddings], image_id: str, count: int) -> None:
    """Print and draw the nearest train images of one image: of other folds as its own fold's network sees them, or, of an image that
    no fold holds, by the mean similarity over the networks.

    Raises:
        DataError: the competition has no images, or none of that id.
        PredictionError: the image has no embedding.
    """
    if image_id not in {*task.folds.ids, *task.test_ids}:
        raise DataError(f"{task.competition.name} has no image {image_id}", "give an id of its train table or its sample submission")
    if task.competition.images is None:
        raise DataError(f"competition {task.competition.name} has no images to show", "choose one with images: make neighbours COMP=...")
    place = {name: row for row, name in enumerate(task.folds.ids)}
    own = int(task.folds.fold[place[image_id]]) if image_id in place else HOLDOUT
    others = task.folds.trained_on(own)
    ids = np.array(task.folds.ids)[others].tolist()
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
    path = task.paths.neighbours() / f"{image_id}.png"
    with atomic_write(path) as file:
        _picture(_tiles(task, [image_id, *(task.folds.ids[row] for row in rows)]), titles).savefig(file, format="png", dpi=100)
    say(f"{path}: the same as a picture")


def draw_map(task: Task, network: Embeddings, path: Path) -> None:
    """A PNG of one network's embeddings of train and test images in two dimensions (t-SNE, van der Maaten and Hinton 2008)."""
    from sklearn.manifold import TSNE

    generator = np.random.default_rng(0)
    ids = [*task.folds.ids, *task.test_ids]
    some = np.sort(generator.permutation(len(ids))[:MOST])
    vectors = network.of([ids[row] for row in some])
    points = TSNE(metric="cosine", init="random", random_state=0, perplexity=min(30, (len(some) - 1) / 3)).fit_transform(vectors)
    figure = Figure(figsize=(10, 7.5), layout="constrained")
    axes = figure.subplots()
    in_train = some < len(task.folds.ids)
    labels = task.labels[some[in_train]]
    frequent = np.argsort(-task.labels.sum(axis=0), kind="stable")[:COLOURED].tolist()
    rarest = np.full(len(some), -1)
    rarest[in_train] = np.where(labels.any(axis=1), np.where(labels, task.labels.sum(axis=0), np.inf).argmin(axis=1), -1)

    def scatter(shown: NDArray[np.bool_], **style: Any) -> None:
        axes.scatter(points[shown, 0], points[shown, 1], **style)

    scatter(~in_train, s=8, facecolors="none", edgecolors="lightgrey", label="test")
    for column in frequent:
        scatter(rarest == column, s=10, label=task.classes.names[column])
    scatter(in_train & ~np.isin(rarest, frequent), s=10, color="black", marker="x", linewidths=0.8, label="rarer labels, or none")
    axes.set(xticks=[], yticks=[], title=f"{task.competition.title}\n{network.provenance.model}, network of fold {network.provenance.fold}")
    figure.legend(loc="outside right upper", title="rarest label of an image")
    with atomic_write(path) as file:
        figure.savefig(file, format="png", dpi=110)
    say(f"{path}: {len(some)} images, coloured by their rarest label")


def _tiles(task: Task, ids: Sequence[str]) -> NDArray[np.uint8]:
    """(N, SIZE, SIZE, 3) as the gallery shows all channels."""
    images = task.competition.images
    assert images is not None
    tiles = []
    for image_id in ids:
        part = "train" if image_id in task.folds.ids else "test"
        planes = read_planes(task.competition.image_files(task.paths, part, image_id), len(images.channels))
        tiles.append(np.dstack([resize(plane, SIZE) for plane in planes]))
    recipe = parts.build("channels", {"name": "pick"}).of(images.channels, task.competition.name)
    return colours(recipe.read(np.stack(tiles), np.arange(len(tiles))))


def _title(task: Task, row: int | None, first: str) -> str:
    if row is None:
        return first
    names = [name for name, has in zip(task.classes.names, task.labels[row], strict=True) if has]
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
