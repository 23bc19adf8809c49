"""Images to look at again: labels that no neighbour shares, and images almost as one."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from comp.neighbours import Nearest

MOST = 100  # pairs of look-alikes
COLUMNS = ["why", "id", "labels", "similarity", "neighbours", "their labels", "of its group"]


def review(
    ids: Sequence[str], labels: NDArray[np.bool_], strings: Sequence[str], groups: Sequence[str], rows: NDArray[np.int64], found: Nearest
) -> pd.DataFrame:
    """A line an image, the most suspicious first: columns why, id, labels, similarity, neighbours, their labels, how many are of its group.

    "labels" are wrong-label candidates: none of the neighbours carries any label of the image. The nearer they are, the more suspicious.
    "look-alike" are the images nearest to another one.

    Args:
        ids, strings, groups: (N,) of all images, with their labels as in the train table.
        labels: (N, C).
        rows, found: the rows that have neighbours, and which.
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
