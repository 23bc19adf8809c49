"""Greedy selection with replacement on macro F1, one weight a model for all classes (Caruana et al. 2004)."""

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from comp.cuts import best_f1, class_major, positive_rows
from comp.metrics import sigmoid
from comp.rows import Rows


class Greedy:
    """Each step adds the model whose mean with those before has the highest macro F1 at its own best thresholds.

    The best of all steps stands, the earliest among equals; among equal models the first by name.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def fit(self, rows: Rows) -> dict[str, float]:
        positives = positive_rows(rows.known_labels)
        models = [class_major(sigmoid(logits)) for logits in rows.logits]
        total = np.zeros_like(models[0])  # (C, N); F1 at the best threshold is the same for a sum as for its mean
        added: list[int] = []
        reached: list[float] = []
        for _ in range(self.steps):
            scores = [float(best_f1(total + logits, positives).mean()) for logits in models]
            added.append(int(np.argmax(scores)))
            reached.append(scores[added[-1]])
            total += models[added[-1]]
        kept = added[: int(np.argmax(reached)) + 1]
        return {rows.models[number]: kept.count(number) / len(kept) for number in sorted(set(kept))}

    def predict(self, state: dict[str, float], rows: Rows) -> NDArray[np.float64]:
        return rows.mean_probability(state)


def build(steps: PositiveInt = 25) -> Greedy:
    return Greedy(steps)
