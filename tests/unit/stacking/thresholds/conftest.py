"""Synthetic predictions for the tests of threshold rules."""

from collections.abc import Callable

import numpy as np
import pytest

from comp.stacking.prediction_set import PredictionSet

Draw = Callable[..., PredictionSet]


@pytest.fixture
def draw() -> Draw:
    def drawn(seed: int = 0, count: int = 400, positives: tuple[float, ...] = (0.02, 0.1, 0.3, 0.7), decimals: int = 6) -> PredictionSet:
        rng = np.random.default_rng(seed)
        labels = rng.random((count, len(positives))) < positives
        logits = (1.5 * labels + rng.normal(size=(1, count, len(positives))) - 1).round(decimals).astype(np.float32)
        return PredictionSet(logits, ("blend",), np.arange(count, dtype=np.int8) % 5, np.arange(count), labels)

    return drawn
