"""One weight a model for all classes, by CMA-ES on macro F1 with the best thresholds of each trial (Hansen and Ostermeier 2001)."""

import numpy as np
from numpy.typing import NDArray

from comp.metrics.f1_search import best_f1, class_major, positive_rows
from comp.metrics.logits import sigmoid
from comp.stacking.bounds import Seed, Steps
from comp.stacking.prediction_set import PredictionSet

SPREAD = 1.0  # standard deviation of the first trials, in log-weights


class CMAES:
    """The weights are the softmax of what is searched, so they sum to 1. The best trial is kept, or equal weights if none beats them."""

    def __init__(self, evaluations: int, seed: int) -> None:
        self.evaluations = evaluations
        self.seed = seed

    def fit(self, predictions: PredictionSet) -> dict[str, float]:
        if len(predictions.models) == 1:  # nothing to search, which cma refuses
            return {predictions.models[0]: 1.0}
        import cma  # imported here: only fitting needs it

        probs = np.stack([class_major(sigmoid(logits.astype(np.float64))) for logits in predictions.logits])
        positives = positive_rows(predictions.known_labels)

        def loss(searched: NDArray[np.float64]) -> float:
            return -float(best_f1(np.tensordot(softmax(searched), probs, 1), positives).mean())

        options = {"seed": self.seed + 1, "maxfevals": self.evaluations, "verbose": -9}  # cma takes seed 0 for the time
        equal = np.zeros(len(probs))
        search = cma.CMAEvolutionStrategy(equal, SPREAD, options).optimize(loss)
        best = search.result.xbest if search.result.fbest < loss(equal) else equal
        return dict(zip(predictions.models, softmax(best).tolist(), strict=True))

    def predict(self, state: dict[str, float], predictions: PredictionSet) -> NDArray[np.float64]:
        return predictions.mean_probability(state)


def softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positive weights (M,) with sum 1."""
    odds = np.exp(values - values.max())
    return odds / odds.sum()


def build(evaluations: Steps = 1000, seed: Seed = 0) -> CMAES:
    return CMAES(evaluations, seed)
