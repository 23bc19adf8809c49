"""Small gradient-boosted trees per class on the models' logits and on what else is known of each image."""

from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveInt

from comp.rows import Rows

Logits = Literal["own", "all"]


class LightGBM:
    """Classes with fewer than `positives` rows of either outcome keep the mean of probabilities.

    The others get the log-odds of their trees, which see the models' logits of the class itself ("own") or of every class
    ("all"), and `rows.features`. One thread, one order of the rows and one seed: the same rows give the same trees.
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

    def fit(self, rows: Rows) -> list[str]:
        """The trees of each class in LightGBM's text format, "" for one that keeps the mean."""
        import lightgbm  # here, because reading a recipe should not wait for it

        rows = rows.in_own_order()
        found = []
        for column, has in enumerate(rows.known_labels.T):
            if min(has.sum(), (~has).sum()) < self.positives:
                found.append("")
                continue
            seen = lightgbm.Dataset(self.inputs(rows, column), has.astype(np.float32), params=self.options)
            found.append(lightgbm.train(self.options, seen, self.trees).model_to_string())
        return found

    def predict(self, state: list[str], rows: Rows) -> NDArray[np.float64]:
        import lightgbm

        predicted = rows.mean_probability({model: 1 / len(rows.models) for model in rows.models})
        for column, trees in enumerate(state):
            if trees:
                booster = lightgbm.Booster(model_str=trees)
                predicted[:, column] = booster.predict(self.inputs(rows, column), raw_score=True, num_threads=1)
        return predicted

    def inputs(self, rows: Rows, column: int) -> NDArray[np.float32]:
        """(N, inputs) of the trees of one class."""
        logits = rows.logits[:, :, column].T if self.logits == "own" else np.moveaxis(rows.logits, 1, 0).reshape(len(rows), -1)
        return np.ascontiguousarray(logits if rows.features is None else np.hstack([logits, rows.features]))


def build(
    logits: Logits = "own",
    positives: PositiveInt = 60,
    trees: PositiveInt = 60,
    leaves: Annotated[int, Ge(2), Le(1024)] = 7,
    rate: Annotated[float, Gt(0), Le(1)] = 0.1,
    seed: NonNegativeInt = 0,
) -> LightGBM:
    return LightGBM(logits, positives, trees, leaves, rate, seed)
