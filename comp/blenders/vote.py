"""The majority vote: each model decides by its own thresholds of highest F1."""

import numpy as np
from numpy.typing import NDArray

from comp.cuts import NEVER, best_thresholds
from comp.rows import Rows

Thresholds = dict[str, list[float | None]]  # (C,) logits of each model; None for a class that it never sees


class Vote:
    """The logit of the share of the models that say yes, so that 0 is a majority.

    Of rows with equally many votes, those farther above the thresholds come first: the mean over models of tanh(distance / 2),
    between -1 and 1, counts as half a vote, so that it decides a draw and never a majority.
    """

    def fit(self, rows: Rows) -> Thresholds:
        return {
            model: [None if cut == NEVER else float(cut) for cut in best_thresholds(logits, rows.known_labels)]
            for model, logits in zip(rows.models, rows.logits, strict=True)
        }

    def predict(self, state: Thresholds, rows: Rows) -> NDArray[np.float64]:
        votes, distance = np.zeros((2, *rows.logits.shape[1:]))
        for model, logits in zip(rows.models, rows.logits, strict=True):
            above = logits - np.array([NEVER if cut is None else cut for cut in state[model]])
            votes += above >= 0
            distance += np.tanh(above / 2) / len(rows.models)
        said = votes + distance / 2 + 1  # one vote more for each side, as Laplace has it, so that logits stay finite
        return np.log(said) - np.log(len(rows.models) + 2 - said)


def build() -> Vote:
    return Vote()
