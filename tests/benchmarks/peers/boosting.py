"""LightGBM: one booster per class, on the logits of all models for this class."""

import numpy as np
from numpy.typing import NDArray

from comp.metrics.f1_search import best_thresholds
from comp.stacking.prediction_set import PredictionSet
from tests.benchmarks.peers import Margins
from tests.benchmarks.peers.per_class import Split, margins_by_class

ROUNDS = 100
# Small, regularised trees and a low rate, as people set it for stacks. feature_fraction 0.8 scored 0.006 less than 0.3.
SETTINGS = {
    "objective": "binary", "learning_rate": 0.05, "num_leaves": 7, "min_data_in_leaf": 10, "lambda_l2": 1.0,
    "feature_fraction": 0.3, "bagging_fraction": 0.8, "bagging_freq": 1,
    "seed": 0, "deterministic": True, "force_row_wise": True, "num_threads": 1, "verbosity": -1,
}  # fmt: skip


def lightgbm_peer(train: PredictionSet, held: PredictionSet) -> Margins:
    """Thresholds have the highest F1 on predictions of inner folds by boosters that were not trained on these folds. On a booster's
    own rows they would be far too high. A class with positives in fewer than two folds gets the threshold 0.5.
    """

    def fit(column: int, splits: list[Split]) -> NDArray[np.float64]:
        inside, outside = (np.ascontiguousarray(predictions.logits[:, :, column].T) for predictions in (train, held))
        is_positive, threshold = train.known_labels[:, column], 0.0
        if splits:
            held_out = np.concatenate([boosted(inside[some], is_positive[some], inside[others]) for some, others in splits])
            judged = np.concatenate([others for _, others in splits])
            threshold = best_thresholds(held_out[:, None], is_positive[judged, None])[0]
        return boosted(inside, is_positive, outside) - threshold

    return margins_by_class(train, held, fit)


def boosted(inside: NDArray[np.float32], is_positive: NDArray[np.bool_], outside: NDArray[np.float32]) -> NDArray[np.float64]:
    """Logits (H,) for the rows `outside` (H, F) by a booster fitted to the rows `inside` (N, F) and labels (N,)."""
    import lightgbm

    return np.asarray(
        lightgbm.train(SETTINGS, lightgbm.Dataset(inside, is_positive.astype(np.float32)), ROUNDS).predict(outside, raw_score=True)
    )
