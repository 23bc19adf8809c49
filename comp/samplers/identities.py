"""P x K batches: P things (antibodies), K images of each, so that every batch has pairs to pull together and pairs to push apart."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from comp.data.batches import Order


def build(images: Annotated[int, Field(ge=2)] = 4) -> Order:
    """Runs of `images` rows of one identity; all identities come equally often, but for one time.

    An identity's images come in turn, in an order of their own each epoch; one with fewer than `images` shows some of them again,
    which augmentation makes different. P is the batch size / `images`. The length is that of one pass over the rows.
    """

    def order(labels: NDArray[np.bool_], identity: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.int64]:
        shuffled = generator.permutation(len(identity))
        number = np.unique(identity[shuffled], return_inverse=True)[1]
        members = np.split(shuffled[np.argsort(number, kind="stable")], np.cumsum(np.bincount(number))[:-1])
        runs = -(-len(identity) // images)
        turns = -(-runs // len(members))  # of every identity, its last one perhaps left out
        sequence = np.concatenate([generator.permutation(len(members)) for _ in range(turns)])[:runs]
        shown = np.zeros(len(members), np.int64)
        rows = []
        for which in sequence:
            rows.append(np.take(members[which], shown[which] + np.arange(images), mode="wrap"))
            shown[which] += images
        return np.concatenate(rows)[: len(identity)]

    return order
