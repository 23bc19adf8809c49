"""P x K batches: P identities (antibodies) with K images each, so that every batch has pairs of the same and of different identities."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from comp.base.between import Between
from comp.images.batches import Order


def build(images: Annotated[int, Between(2)] = 4) -> Order:
    """Runs of `images` rows of one identity. Identities occur equally often, up to a difference of one run.

    The images of an identity come in turn, in a new random order each epoch. An identity with fewer than `images` images repeats some, and
    augmentation makes the repeats different. P is the batch size / `images`. An epoch has as many rows as there are images.
    """

    def order(labels: NDArray[np.bool_], identity: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.int64]:
        shuffled = generator.permutation(len(identity))
        number = np.unique(identity[shuffled], return_inverse=True)[1]
        members = np.split(shuffled[np.argsort(number, kind="stable")], np.cumsum(np.bincount(number))[:-1])
        runs = -(-len(identity) // images)
        turns = -(-runs // len(members))  # runs of each identity; the last one may be left out
        sequence = np.concatenate([generator.permutation(len(members)) for _ in range(turns)])[:runs]
        shown = np.zeros(len(members), np.int64)
        rows = []
        for which in sequence:
            rows.append(np.take(members[which], shown[which] + np.arange(images), mode="wrap"))
            shown[which] += images
        return np.concatenate(rows)[: len(identity)]

    return order
