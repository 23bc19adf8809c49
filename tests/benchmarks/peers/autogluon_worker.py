"""Runs AutoGluon in its own environment (.venv-peers), see `worker.serve`.

{"do": "margins", "folder": F} writes margins.npy (H, C) from train.npy (M, N, C), labels.npy (N, C) and held.npy (M, H, C).
{"do": "select", "folder": F, "metric": NAME} selects once for all classes from train.npy and labels.npy, and answers with its
seconds and the weights. All scores are probabilities.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from autogluon.core.calibrate import calibrate_decision_threshold  # type: ignore[import-not-found]
from autogluon.core.metrics import f1, make_scorer  # type: ignore[import-not-found]
from autogluon.core.models.greedy_ensemble.ensemble_selection import EnsembleSelection  # type: ignore[import-not-found]

from comp.metrics.f1_search import best_f1, positive_rows
from tests.benchmarks.peers.worker import serve

SIZE = 25  # members, AutoGluon's default


def margins(folder: str) -> dict[str, Any]:
    """For each class, greedy selection by F1, then threshold calibration, like its TabularPredictor with eval_metric="f1"."""
    train, labels, held = (np.load(Path(folder, f"{name}.npy")) for name in ("train", "labels", "held"))
    found = np.full(held.shape[1:], -np.inf)
    for column, is_positive in enumerate(labels.T):
        if is_positive.any() and not is_positive.all():
            found[:, column] = margins_of_class(list(train[:, :, column]), is_positive.astype(np.int64), list(held[:, :, column]))
    np.save(Path(folder, "margins.npy"), found)
    return {}


def margins_of_class(train: list[np.ndarray], is_positive: np.ndarray, held: list[np.ndarray]) -> np.ndarray:
    chosen = EnsembleSelection(ensemble_size=SIZE, problem_type="binary", metric=f1).fit(train, is_positive)
    threshold = calibrate_decision_threshold(is_positive, chosen.predict_proba(train), metric=f1, verbose=False)
    above = chosen.predict_proba(held) - threshold
    return np.where(above == 0, -np.finfo(float).tiny, above)  # AutoGluon predicts scores above the threshold, not equal ones


def select(folder: str, metric: str) -> dict[str, Any]:
    """Selection by a user's metric: macro F1 of all classes, each with its best threshold.

    The arrays are class-major, which is faster here.
    """
    train, labels = loaded(folder)
    scorer = make_scorer(metric, METRICS[metric](labels), needs_proba=True)
    started = perf_counter()
    chosen = EnsembleSelection(ensemble_size=SIZE, problem_type="binary", metric=scorer).fit(train, labels)
    return {"seconds": perf_counter() - started, "weights": chosen.weights_.tolist()}


@cache
def loaded(folder: str) -> tuple[list[np.ndarray], np.ndarray]:
    train, labels = (np.load(Path(folder, f"{name}.npy")) for name in ("train", "labels"))
    return [np.ascontiguousarray(probs.T) for probs in train], np.ascontiguousarray(labels.T)


def cumulative_sums(labels: np.ndarray) -> Callable[[np.ndarray, np.ndarray], float]:
    """F1 at every threshold of every class from cumulative sums of the sorted labels; thresholds between equal scores count too.

    It goes class by class, in 32 bits, with the divisions done in advance.
    """
    factors = 2 / (np.arange(1, labels.shape[1] + 1) + labels.sum(axis=1, keepdims=True))

    def macro_f1(labels: np.ndarray, scores: np.ndarray) -> float:
        classes = zip(labels, scores, factors, strict=True)
        return float(
            np.mean(
                [(is_positive[np.argsort(values)[::-1]].cumsum(dtype=np.int32) * factor).max() for is_positive, values, factor in classes]
            )
        )

    return macro_f1


def only_at_positives(labels: np.ndarray) -> Callable[[np.ndarray, np.ndarray], float]:
    """Our own threshold search."""
    positives = positive_rows(labels.T)
    return lambda _, scores: float(best_f1(scores, positives).mean())


METRICS = {"cumulative sums": cumulative_sums, "comp.metrics.f1_search": only_at_positives}

if __name__ == "__main__":
    serve({"margins": margins, "select": select})
