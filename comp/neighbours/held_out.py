"""The neighbours of held-out images among the images that their fold's network was trained on."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from comp.folds.fold_map import FoldMap
from comp.neighbours.nearest import Nearest, nearest
from comp.predictions.embeddings import Embeddings


def held_out_neighbours(networks: Sequence[Embeddings], folds: FoldMap, count: int) -> tuple[NDArray[np.int64], Nearest]:
    """All rows that are in a fold, fold by fold, and their nearest rows in other folds by the network of their own fold.

    Args:
        networks: one per fold, in order.
        count: how many neighbours; fewer if the other folds of some fold have fewer rows.
    """
    ids = np.array(folds.ids)
    rows, places, similarity = [], [], []
    for fold, network in enumerate(networks):
        own, others = np.flatnonzero(folds.fold == fold), folds.trained_on(fold)
        found = nearest(network.of(ids[own].tolist()), network.of(ids[others].tolist()), ids[others].tolist(), count)
        rows.append(own)
        places.append(others[found.places])
        similarity.append(found.similarity)
    fewest = min(each.shape[1] for each in places)
    joined = Nearest(*(np.concatenate([each[:, :fewest] for each in kind]) for kind in (places, similarity)))
    return np.concatenate(rows), joined


def trained_on(folds: FoldMap, fold: int) -> tuple[NDArray[np.int64], list[str]]:
    """The rows that a fold's network was trained on, and their ids."""
    rows = folds.trained_on(fold)
    return rows, np.array(folds.ids)[rows].tolist()


def similarity_of_test(networks: Sequence[Embeddings], folds: FoldMap, test_ids: Sequence[str]) -> list[NDArray[np.float64]]:
    """For each network, (T,): similarity of the test images to the nearest image the network was trained on."""
    found = []
    for fold, network in enumerate(networks):
        _, ids = trained_on(folds, fold)
        found.append(nearest(network.of(test_ids), network.of(ids), ids, 1).similarity[:, 0])
    return found
