"""LightGBM, one booster a class, on the logits of all models for it or for all classes."""

import numpy as np
from numpy.typing import NDArray

from comp.cuts import best_thresholds
from comp.rows import Rows
from pipelines.benchmarks.peers import Margins, Peer
from pipelines.benchmarks.peers.per_class import Split, margins_by_class

ROUNDS = 100
# Small trees, slow and regularised, as people set it for stacks. On the rows below, 0.8 of the features scored 0.006 less than 0.3.
SETTINGS = {
    "objective": "binary", "learning_rate": 0.05, "num_leaves": 7, "min_data_in_leaf": 10, "lambda_l2": 1.0,
    "feature_fraction": 0.3, "bagging_fraction": 0.8, "bagging_freq": 1,
    "seed": 0, "deterministic": True, "force_row_wise": True, "num_threads": 1, "verbosity": -1,
}  # fmt: skip


def lightgbm_peer(*, all_classes: bool) -> Peer:
    """Thresholds are those of highest F1 on predictions of boosters that had not seen the rows (inner folds): a booster's own rows
    would put them far too high. A class with positives in fewer than two folds is cut at 0.5.

    Args:
        all_classes: features are the models' logits for every class, models x classes of them; else those for the class alone.
    """

    def peer(train: Rows, held: Rows) -> Margins:
        def features(rows: Rows, column: int) -> NDArray[np.float32]:
            seen = rows.logits if all_classes else rows.logits[:, :, [column]]
            return np.ascontiguousarray(seen.transpose(1, 0, 2).reshape(len(rows), -1))

        def fit(column: int, splits: list[Split]) -> NDArray[np.float64]:
            inside, outside = features(train, column), features(held, column)
            has, threshold = train.known_labels[:, column], 0.0
            if splits:
                unseen = np.concatenate([boosted(inside[some], has[some], inside[others]) for some, others in splits])
                judged = np.concatenate([others for _, others in splits])
                threshold = best_thresholds(unseen[:, None], has[judged, None])[0]
            return boosted(inside, has, outside) - threshold

        return margins_by_class(train, held, fit)

    return peer


def boosted(inside: NDArray[np.float32], has: NDArray[np.bool_], outside: NDArray[np.float32]) -> NDArray[np.float64]:
    """Logits (H,) of a booster fitted to the rows `inside` (N, F) and labels (N,)."""
    import lightgbm

    return np.asarray(lightgbm.train(SETTINGS, lightgbm.Dataset(inside, has.astype(np.float32)), ROUNDS).predict(outside, raw_score=True))
