"""Rows to blend, and macro F1 by brute force."""

import numpy as np

from comp.rows import Rows


def drawn(seed: int = 0, count: int = 300, models: int = 4, positives: tuple[float, ...] = (0.02, 0.1, 0.3, 0.7)) -> Rows:
    """Models of different skill, the last of them a coin."""
    rng = np.random.default_rng(seed)
    labels = rng.random((count, len(positives))) < positives
    skill = np.linspace(2, 0, models)[:, None, None]
    logits = (skill * labels + rng.normal(size=(models, count, len(positives))) - 1).astype(np.float32)
    return Rows(logits, tuple("abcdefgh"[:models]), np.arange(count, dtype=np.int8) % 5, np.arange(count), labels)


def seen_by(logits: np.ndarray, labels: np.ndarray | None, names: str = "abcdefgh") -> Rows:
    """Rows of logits (M, N, C) without folds and groups of note."""
    models, count, _ = logits.shape
    return Rows(logits.astype(np.float32), tuple(names[:models]), np.zeros(count, np.int8), np.arange(count), labels)


def best_macro_f1(scores: np.ndarray, labels: np.ndarray) -> float:
    """Macro F1 at the best cut of each class, by trying them all."""

    def f1(has: np.ndarray, said: np.ndarray) -> float:
        return 2 * (has & said).sum() / (has.sum() + said.sum())

    per_class = [max((f1(has, values >= cut) for cut in values[has]), default=0.0) for values, has in zip(scores.T, labels.T, strict=True)]
    return float(np.mean(per_class))
