"""Runs in AutoGluon's own environment (.venv-peers): a request a line on stdin, a JSON object each, answered in a line on stdout.

{"do": "margins", "folder": F} writes margins.npy (H, C) from train.npy (M, N, C), labels.npy (N, C) and held.npy (M, H, C).
{"do": "select", "folder": F, "metric": NAME} selects once for all classes from train.npy and labels.npy, and answers with the
seconds of that and the weights. All scores are probabilities.
"""

import json
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from autogluon.core.calibrate import calibrate_decision_threshold  # type: ignore[import-not-found]
from autogluon.core.metrics import f1, make_scorer  # type: ignore[import-not-found]
from autogluon.core.models.greedy_ensemble.ensemble_selection import EnsembleSelection  # type: ignore[import-not-found]

from comp.cuts import best_f1, positive_rows

SIZE = 25  # members, AutoGluon's default


def main() -> None:
    answers, sys.stdout = sys.stdout, sys.stderr  # what else prints must not stand between the answers
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(WORK[request.pop("do")](**request)), file=answers, flush=True)


def margins(folder: str) -> dict[str, Any]:
    """For each class, as its TabularPredictor does with eval_metric="f1": greedy selection on F1, then the threshold calibrated."""
    train, labels, held = (np.load(Path(folder, f"{name}.npy")) for name in ("train", "labels", "held"))
    found = np.full(held.shape[1:], -np.inf)
    for column, has in enumerate(labels.T):
        if has.any() and not has.all():
            found[:, column] = margins_of_class(list(train[:, :, column]), has.astype(np.int64), list(held[:, :, column]))
    np.save(Path(folder, "margins.npy"), found)
    return {}


def margins_of_class(train: list[np.ndarray], has: np.ndarray, held: list[np.ndarray]) -> np.ndarray:
    chosen = EnsembleSelection(ensemble_size=SIZE, problem_type="binary", metric=f1).fit(train, has)
    threshold = calibrate_decision_threshold(has, chosen.predict_proba(train), metric=f1, verbose=False)
    above = chosen.predict_proba(held) - threshold
    return np.where(above == 0, -np.finfo(float).tiny, above)  # AutoGluon predicts what lies above the threshold, not at it


def select(folder: str, metric: str) -> dict[str, Any]:
    """Macro F1 of all classes, each at its best threshold, as a metric that a user brings.

    The arrays lie class by class, which it runs through faster.
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
    """F1 at every cut of every class from the sums of its sorted labels; it does not spare cuts between equal scores.

    Taken class by class, in 32 bits and with the divisions made beforehand.
    """
    factors = 2 / (np.arange(1, labels.shape[1] + 1) + labels.sum(axis=1, keepdims=True))

    def macro_f1(labels: np.ndarray, scores: np.ndarray) -> float:
        classes = zip(labels, scores, factors, strict=True)
        return float(np.mean([(has[np.argsort(values)[::-1]].cumsum(dtype=np.int32) * factor).max() for has, values, factor in classes]))

    return macro_f1


def only_at_positives(labels: np.ndarray) -> Callable[[np.ndarray, np.ndarray], float]:
    """Our own search."""
    positives = positive_rows(labels.T)
    return lambda _, scores: float(best_f1(scores, positives).mean())


WORK: dict[str, Callable[..., dict[str, Any]]] = {"margins": margins, "select": select}
METRICS = {"cumulative sums": cumulative_sums, "comp.cuts": only_at_positives}

if __name__ == "__main__":
    main()
