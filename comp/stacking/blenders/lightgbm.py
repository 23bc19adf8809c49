"""Small gradient-boosted trees per class on the models' logits and on further features of each image."""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from comp.base.between import Between
from comp.stacking.bounds import Rows, Seed, Steps
from comp.stacking.prediction_set import PredictionSet

Logits = Literal["own", "all"]


class LightGBM:
    """Classes with fewer than `positives` rows of either outcome keep the mean of probabilities.

    The other classes get the log-odds of their trees. The inputs of the trees are the models' logits of the class itself ("own") or
    of every class ("all"), and `predictions.features`. One thread, one row order and one seed: the same rows give the same trees.
    """

    def __init__(self, logits: Logits, positives: int, trees: int, leaves: int, rate: float, seed: int) -> None:
        self.logits = logits
        self.positives = positives
        self.trees = trees
        self.options = {
            "objective": "binary",
            "num_leaves": leaves,
            "learning_rate": rate,
            "min_data_in_leaf": 20,
            "lambda_l2": 1.0,
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }

    def fit(self, predictions: PredictionSet) -> list[str]:
        """The trees of each class in LightGBM's text format, "" for a class that keeps the mean."""
        import lightgbm  # imported here to keep reading a recipe fast

        predictions = predictions.in_own_order()
        found = []
        for column, is_positive in enumerate(predictions.known_labels.T):
            if min(is_positive.sum(), (~is_positive).sum()) < self.positives:
                found.append("")
                continue
            labelled = lightgbm.Dataset(self.inputs(predictions, column), is_positive.astype(np.float32), params=self.options)
            found.append(lightgbm.train(self.options, labelled, self.trees).model_to_string())
        return found

    def predict(self, state: list[str], predictions: PredictionSet) -> NDArray[np.float64]:
        import lightgbm

        predicted = predictions.mean_probability({model: 1 / len(predictions.models) for model in predictions.models})
        for column, trees in enumerate(state):
            if trees:
                booster = lightgbm.Booster(model_str=trees)
                predicted[:, column] = booster.predict(self.inputs(predictions, column), raw_score=True, num_threads=1)
        return predicted

    def inputs(self, predictions: PredictionSet, column: int) -> NDArray[np.float32]:
        """(N, inputs) the inputs of the trees of one class."""
        logits = (
            predictions.logits[:, :, column].T
            if self.logits == "own"
            else np.moveaxis(predictions.logits, 1, 0).reshape(len(predictions), -1)
        )
        return np.ascontiguousarray(logits if predictions.features is None else np.hstack([logits, predictions.features]))


def build(
    logits: Logits = "own",
    positives: Rows = 60,
    trees: Steps = 60,
    leaves: Annotated[int, Between(2, 1024)] = 7,
    rate: Annotated[float, Between(above=0, most=1)] = 0.1,
    seed: Seed = 0,
) -> LightGBM:
    return LightGBM(logits, positives, trees, leaves, rate, seed)
