"""One trained fold of a model: what it says about images."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import PredictionError
from comp.images.input_channels import Images
from comp.inference.settings import EMBEDDERS, PredictionSettings
from comp.inference.weights import Weights
from comp.neighbours.nearest import Floats
from comp.neighbours.votes import Voters

OWN_NETWORK = ("keras", "cells")  # trainers whose networks predict by a module of their own

Network = Callable[..., Floats]  # of images (N, H, W, C) uint8 or bags of crops, rows, and auxiliary features of these rows if it takes any


def load_network(
    weights: Weights, settings: PredictionSettings, slot: int = 0, done: Callable[[int], object] = lambda images: None
) -> Network:
    """A trained network, ready to predict: logits, or the embeddings of a network that embeds.

    Args:
        slot: decides the GPU, if there are several.
        done: told after each batch how many images it had.

    Raises:
        PredictionError: the network cannot be built from these weights with the installed packages.
    """
    framework = weights.trainer if weights.trainer in OWN_NETWORK else "torch"
    load = importlib.import_module(f"comp.inference.{framework}_network").load
    try:
        network: Network = load(weights, settings, slot, done)
    except (RuntimeError, LookupError, TypeError, ValueError, AttributeError, AssertionError) as error:
        what = f"a trained {weights.network.get('backbone', framework)} cannot be built here ({' '.join(str(error).split())[:160]})"
        raise PredictionError(what, "install the versions of packages that it was trained with, or train it again") from None
    return network


@dataclass(frozen=True, eq=False)
class TrainedFold:
    """A trained fold. A model needs a network, voters, or both.

    Attributes:
        trainer: "torch", "metric", "channels", "cascade", "neighbours", "cells" or "keras".
        network: None for a model without one.
        voters: None for a model without neighbours.
    """

    trainer: str
    settings: PredictionSettings
    network: Network | None = None
    voters: Voters | None = None

    def embed(self, images: Images) -> Floats:
        """(N, D) embeddings of length 1 of images (N, H, W, C), by a network that embeds. They are NaN where the network gives NaN."""
        assert self.network is not None
        mean = self.network(images, np.arange(len(images)))
        with np.errstate(invalid="ignore"):
            return mean / np.linalg.norm(mean, axis=1, keepdims=True)

    def logits(self, images: Images | None, rows: NDArray[np.int64], vectors: Floats | None = None) -> Floats:
        """(len(rows), classes) logits of rows of `images`.

        Args:
            images: (N, H, W, C); None for a model without a network.
            vectors: (len(rows), D), what votes depend on: the model's own embeddings, or those of the models that it depends on.
        """
        if self.network is None or self.trainer in EMBEDDERS:
            return self._votes(vectors)
        if vectors is None:
            return self.network(images, rows)
        return self.network(images, rows, np.concatenate([vectors, self._votes(vectors)], axis=1))

    def _votes(self, vectors: Floats | None) -> Floats:
        assert self.voters is not None
        assert vectors is not None
        assert self.settings.votes is not None
        return self.voters.logits(vectors, self.settings.votes)
