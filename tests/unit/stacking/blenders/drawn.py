"""Prediction sets to blend, and macro F1 by brute force."""

import numpy as np

from comp.stacking.prediction_set import PredictionSet


def drawn(seed: int = 0, count: int = 300, models: int = 4, positives: tuple[float, ...] = (0.02, 0.1, 0.3, 0.7)) -> PredictionSet:
    """Models of different skill, the last of them random."""
    rng = np.random.default_rng(seed)
    labels = rng.random((count, len(positives))) < positives
    skill = np.linspace(2, 0, models)[:, None, None]
    logits = (skill * labels + rng.normal(size=(models, count, len(positives))) - 1).astype(np.float32)
    return PredictionSet(logits, tuple("abcdefgh"[:models]), np.arange(count, dtype=np.int8) % 5, np.arange(count), labels)


def prediction_set(logits: np.ndarray, labels: np.ndarray | None, names: str = "abcdefgh") -> PredictionSet:
    """A prediction set of logits (M, N, C), all in one fold, each row its own group."""
    models, count, _ = logits.shape
    return PredictionSet(logits.astype(np.float32), tuple(names[:models]), np.zeros(count, np.int8), np.arange(count), labels)


def best_macro_f1(scores: np.ndarray, labels: np.ndarray) -> float:
    """Macro F1 at the best threshold of each class, by trying all."""

    def f1(is_positive: np.ndarray, said: np.ndarray) -> float:
        return 2 * (is_positive & said).sum() / (is_positive.sum() + said.sum())

    per_class = [
        max((f1(is_positive, values >= threshold) for threshold in values[is_positive]), default=0.0)
        for values, is_positive in zip(scores.T, labels.T, strict=True)
    ]
    return float(np.mean(per_class))
