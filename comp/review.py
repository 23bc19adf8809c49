"""Images to look at again: labels that no neighbour shares, and images almost as one."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from comp.neighbours import Nearest

MOST = 100  # pairs of look-alikes


def review(ids: Sequence[str], labels: NDArray[np.bool_], strings: Sequence[str], rows: NDArray[np.int64], found: Nearest) -> pd.DataFrame:
    """A line an image, the most suspicious first: columns why, id, labels, similarity, neighbours and their labels.

    "labels" are wrong-label candidates: none of the neighbours carries any label of the image. The nearer they are, the more suspicious.
    "look-alike" are the images nearest to another one.

    Args:
        ids, strings: (N,) of all images, with their labels as in the train table.
        labels: (N, C).
        rows, found: the rows that have neighbours, and which.
    """
    shared = (labels[rows][:, None] & labels[found.places]).any(axis=(1, 2))
    odd = np.flatnonzero(~shared & labels[rows].any(axis=1))
    odd = odd[np.argsort(-found.similarity[odd].mean(axis=1), kind="stable")]
    alike = np.argsort(-found.similarity[:, 0], kind="stable")[:MOST]
    pairs = {tuple(sorted((int(rows[one]), int(found.places[one, 0])))): one for one in alike[::-1]}
    lines = [_line("labels", ids, strings, rows[one], found.places[one], found.similarity[one]) for one in odd]
    for one in sorted(pairs.values(), key=lambda one: -found.similarity[one, 0]):
        lines.append(_line("look-alike", ids, strings, rows[one], found.places[one, :1], found.similarity[one, :1]))
    return pd.DataFrame(lines, columns=["why", "id", "labels", "similarity", "neighbours", "their labels"])


def _line(
    why: str, ids: Sequence[str], strings: Sequence[str], row: int, places: NDArray[np.int64], similarity: NDArray[np.float64]
) -> tuple[str, str, str, str, str, str]:
    theirs = "; ".join(strings[place] for place in places)
    return why, ids[row], strings[row], f"{similarity.mean():.4f}", " ".join(ids[place] for place in places), theirs
