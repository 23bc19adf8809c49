"""Greedy selection with replacement, one weight a model for all classes (Caruana et al. 2004)."""

from math import ceil
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveInt

from comp.greedy_metrics import Metric, climb
from comp.rows import Rows

Share = Annotated[float, Field(gt=0, le=1)]


class Greedy:
    """Each step adds the model whose mean with those before has the highest metric.

    Macro F1 is that at the best thresholds of every step. The best of all steps stands, the earliest among equals; among
    equal models the first by name. With `bags`, each selects among its own random `fraction` of the models, and the weights
    are the mean over bags, so that they hang less on which model came first.
    """

    def __init__(self, steps: int, metric: Metric, bags: int, fraction: float, seed: int) -> None:
        self.steps = steps
        self.metric = metric
        self.bags = bags
        self.fraction = fraction
        self.seed = seed

    def fit(self, rows: Rows) -> dict[str, float]:
        if not self.bags:
            return self.selected(rows)
        rng, count = np.random.default_rng(self.seed), len(rows.models)
        drawn = [tuple(sorted(rng.choice(count, ceil(self.fraction * count), replace=False))) for _ in range(self.bags)]
        found = {bag: self.selected(rows.only([rows.models[number] for number in bag])) for bag in sorted(set(drawn))}
        sums = {model: sum(found[bag].get(model, 0.0) for bag in drawn) for model in rows.models}
        return {model: total / self.bags for model, total in sums.items() if total}

    def selected(self, rows: Rows) -> dict[str, float]:
        """The weights of the models that the steps chose."""
        metric = climb(self.metric, rows)
        added: list[int] = []
        reached: list[float] = []
        for _ in range(self.steps):
            scores = metric.tried()
            added.append(int(np.argmax(scores)))
            reached.append(float(scores[added[-1]]))
            metric.add(added[-1])
        kept = added[: int(np.argmax(reached)) + 1]
        return {rows.models[number]: kept.count(number) / len(kept) for number in sorted(set(kept))}

    def predict(self, state: dict[str, float], rows: Rows) -> NDArray[np.float64]:
        return rows.mean_probability(state)


def build(
    steps: PositiveInt = 25, metric: Metric = "macro_f1", bags: NonNegativeInt = 0, fraction: Share = 0.5, seed: NonNegativeInt = 0
) -> Greedy:
    return Greedy(steps, metric, bags, fraction, seed)
