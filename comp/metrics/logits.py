"""Probabilities and logits, one from the other."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def sigmoid(logits: Floats) -> Floats:
    """Probabilities of logits, without overflow and in the logits' own precision."""
    return np.exp(-np.logaddexp(0, -logits))


def logit(probs: Floats, clip: float = 16.0) -> Floats:
    """Logits of probabilities in [0, 1], clipped to +-`clip`, so that exact 0 and 1 stay finite."""
    with np.errstate(divide="ignore"):
        return np.clip(np.log(probs) - np.log1p(-probs), -clip, clip)
