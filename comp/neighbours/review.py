"""Images to look at again: images whose labels no neighbour shares, and pairs of look-alikes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from comp.neighbours.nearest import Nearest

MOST = 100  # images from which pairs of look-alikes are made
COLUMNS = ["why", "id", "labels", "similarity", "neighbours", "their labels", "of its group"]


def review(
    ids: Sequence[str], labels: NDArray[np.bool_], strings: Sequence[str], groups: Sequence[str], rows: NDArray[np.int64], found: Nearest
) -> pd.DataFrame:
    """A table of images to check, the most suspicious first.

    The columns are: why, id, labels, similarity, neighbours, their labels, and how many neighbours are of the image's group. `why` is
    "labels" where no neighbour shares any label of the image; the nearer the neighbours, the more suspicious. It is "look-alike" for the
    images most similar to another one.

    Args:
        ids: (N,) of all images.
        labels: (N, C).
        strings: (N,) the labels as the train table writes them.
        groups: (N,) e.g. antibodies.
        rows: (n,) the images that have neighbours.
        found: the neighbours of these images.
    """

    def line(why: str, one: int, count: int | None = None) -> tuple[str, ...]:
        row, places, similarity = rows[one], found.places[one, :count], found.similarity[one, :count]
        theirs, alike = "; ".join(strings[place] for place in places), sum(groups[place] == groups[row] for place in places)
        names = " ".join(ids[place] for place in places)
        return why, ids[row], strings[row], f"{similarity.mean():.4f}", names, theirs, f"{alike} of {len(places)}"

    shared = (labels[rows][:, None] & labels[found.places]).any(axis=(1, 2))
    odd = np.flatnonzero(~shared & labels[rows].any(axis=1))
    odd = odd[np.argsort(-found.similarity[odd].mean(axis=1), kind="stable")]
    alike = np.argsort(-found.similarity[:, 0], kind="stable")[:MOST]
    pairs = {tuple(sorted((int(rows[one]), int(found.places[one, 0])))): one for one in alike[::-1].tolist()}
    nearest_first = sorted(pairs.values(), key=lambda one: -found.similarity[one, 0])
    return pd.DataFrame(
        [line("labels", one) for one in odd.tolist()] + [line("look-alike", one, 1) for one in nearest_first], columns=COLUMNS
    )
