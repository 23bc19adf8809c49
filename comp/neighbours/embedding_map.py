"""A map of embeddings in two dimensions, for `make neighbours`."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.manifold import TSNE

from comp.base.files import atomic_write
from comp.base.progress import say
from comp.predictions.embeddings import Embeddings
from comp.predictions.task import Task

MOST = 4000  # images on the map
COLOURED = 9  # the most frequent classes, each with its own colour


def draw_map(task: Task, network: Embeddings, path: Path) -> None:
    """A PNG of one network's embeddings of train and test images by t-SNE (van der Maaten and Hinton 2008)."""
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
