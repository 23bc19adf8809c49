"""What neighbours say of an image: probabilities, and features for a stack."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comp.experiment import Votes
from comp.labels import shares
from comp.metrics import logit
from comp.neighbours import Floats, Nearest, nearest


@dataclass(frozen=True, eq=False)
class Voters:
    """Images that vote on others: those that a network was trained on.

    Attributes:
        vectors: (N, D) embeddings.
        labels: (N, C).
        ids: (N,), which decide between equally near ones.
    """

    vectors: Floats
    labels: NDArray[np.bool_]
    ids: Sequence[str]

    def on(self, queries: Floats, settings: Votes) -> Floats:
        """Logits (Q, C) of what an image's neighbours say of it, for embeddings (Q, D)."""
        return self._logits(nearest(queries, self.vectors, self.ids, settings.count), settings)

    def on_each_other(self, settings: Votes) -> Floats:
        """The same (N, C) of the voters, none of which has a vote on itself."""
        found = nearest(self.vectors, self.vectors, self.ids, settings.count + 1)
        return self._logits(found.without(np.arange(len(self.vectors))), settings)

    def _logits(self, found: Nearest, settings: Votes) -> Floats:
        return vote(found, self.labels, shares(self.labels), settings).astype(np.float32)


def vote(found: Nearest, labels: NDArray[np.bool_], prior: NDArray[np.float64], settings: Votes) -> NDArray[np.floating]:
    """Logits (Q, C): each neighbour votes for its labels, the more the more similar it is, and so does the prior.

    Args:
        labels: (N, C) of the candidates.
        prior: (C,) shares of images, neither 0 nor 1, which decide where no neighbour is near.
    """
    weight = np.exp((found.similarity - 1) / settings.temperature)[:, :, None]
    votes = (weight * labels[found.places]).sum(axis=1) + settings.prior * prior
    return logit(votes / (weight.sum(axis=1) + settings.prior))


def class_similarity(queries: Floats, candidates: Floats, labels: NDArray[np.bool_], ids: Sequence[str]) -> NDArray[np.float64]:
    """(Q, C) similarity to the nearest candidate with each label; NaN for a label that no candidate (N, D) with `labels` (N, C) has."""
    found = np.full((len(queries), labels.shape[1]), np.nan)
    for column in np.flatnonzero(labels.any(axis=0)):
        rows = np.flatnonzero(labels[:, column]).tolist()
        found[:, column] = nearest(queries, candidates[rows], [ids[row] for row in rows], k=1).similarity[:, 0]
    return found


def agreement(found: Nearest, labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(Q,) mean Jaccard similarity of the label sets of an image's neighbours, pair by pair: 1 where all carry the same labels."""
    sets = labels[found.places].astype(np.float64)
    both = sets @ sets.transpose(0, 2, 1)
    size = sets.sum(axis=2)
    either = size[:, :, None] + size[:, None, :] - both
    first, second = np.triu_indices(sets.shape[1], 1)
    same = np.divide(both, either, out=np.ones_like(both), where=either > 0)[:, first, second]
    return same.mean(axis=1) if len(first) else np.ones(len(sets))
