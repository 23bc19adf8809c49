"""What the neighbours of an image say about it: votes for its labels, and features for a stack."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from comp.competition.labels import label_priors
from comp.metrics.logits import logit
from comp.neighbours.nearest import Floats, Nearest, nearest


class VoteSettings(Protocol):
    """How neighbours vote, see `vote`."""

    @property
    def count(self) -> int: ...
    @property
    def temperature(self) -> float: ...
    @property
    def prior(self) -> float: ...


@dataclass(frozen=True, eq=False)
class Voters:
    """Images that vote for the labels of others: those that a network was trained on.

    Attributes:
        vectors: (N, D) embeddings.
        labels: (N, C).
        ids: (N,) they decide between equally near images.
    """

    vectors: Floats
    labels: NDArray[np.bool_]
    ids: Sequence[str]

    def logits(self, queries: Floats, settings: VoteSettings) -> Floats:
        """(Q, C) logits for images with embeddings (Q, D)."""
        return self._logits(nearest(queries, self.vectors, self.ids, settings.count), settings)

    def logits_of_voters(self, settings: VoteSettings) -> Floats:
        """(N, C) logits for the voters themselves. No voter votes for itself."""
        found = nearest(self.vectors, self.vectors, self.ids, settings.count + 1)
        return self._logits(found.without_self(np.arange(len(self.vectors))), settings)

    def _logits(self, found: Nearest, settings: VoteSettings) -> Floats:
        return vote(found, self.labels, label_priors(self.labels), settings).astype(np.float32)


def vote(found: Nearest, labels: NDArray[np.bool_], prior: NDArray[np.float64], settings: VoteSettings) -> NDArray[np.floating]:
    """(Q, C) logits of the weighted mean of the neighbours' labels and the prior. Nearer neighbours have larger weights.

    Args:
        labels: (N, C) of the candidates.
        prior: (C,) shares of images with each label, strictly between 0 and 1. They decide where no neighbour is near.
    """
    weight = np.exp((found.similarity - 1) / settings.temperature)[:, :, None]
    votes = (weight * labels[found.places]).sum(axis=1) + settings.prior * prior
    return logit(votes / (weight.sum(axis=1) + settings.prior))


def class_similarity(queries: Floats, candidates: Floats, labels: NDArray[np.bool_], ids: Sequence[str]) -> NDArray[np.float64]:
    """(Q, C) similarity to the nearest candidate of each class; NaN for a class without candidates.

    Args:
        queries: (Q, D).
        candidates: (N, D).
        labels: (N, C) of the candidates.
        ids: (N,) of the candidates.
    """
    found = np.full((len(queries), labels.shape[1]), np.nan)
    for column in np.flatnonzero(labels.any(axis=0)):
        rows = np.flatnonzero(labels[:, column]).tolist()
        found[:, column] = nearest(queries, candidates[rows], [ids[row] for row in rows], k=1).similarity[:, 0]
    return found


def agreement(found: Nearest, labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(Q,) mean Jaccard similarity of the label sets over all pairs of an image's neighbours; 1 if all have the same labels."""
    sets = labels[found.places].astype(np.float64)
    both = sets @ sets.transpose(0, 2, 1)
    size = sets.sum(axis=2)
    either = size[:, :, None] + size[:, None, :] - both
    first, second = np.triu_indices(sets.shape[1], 1)
    same = np.divide(both, either, out=np.ones_like(both), where=either > 0)[:, first, second]
    return same.mean(axis=1) if len(first) else np.ones(len(sets))
