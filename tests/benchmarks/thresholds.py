"""The threshold search against scikit-learn's precision-recall curve, at the size of the HPA competition."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comp.metrics.f1_search import best_thresholds
from comp.metrics.macro_f1 import macro_f1
from tests.benchmarks.inputs import ROWS, label_table
from tests.benchmarks.paired import Ratio, alternate, timed
from tests.benchmarks.results import Result, at_most


def measure(folder: Path, rows: int = ROWS, rounds: int = 15) -> list[Result]:
    labels = label_table(rows)
    scores = synthetic_scores(labels)
    seconds = alternate(
        {
            "ours": timed(lambda: best_thresholds(scores, labels)),
            "theirs": timed(lambda: theirs(scores, labels)),
            "theirs again": timed(lambda: theirs(scores, labels)),
        },
        rounds,
        "thresholds",
    )
    reached = [macro_f1(labels, scores >= find(scores, labels)) for find in (best_thresholds, theirs)]
    note = (
        f"{1000 * np.median(seconds['ours']):.0f} and {1000 * np.median(seconds['theirs']):.0f} ms; "
        f"macro F1 reached on these rows: {reached[0]:.6f} and {reached[1]:.6f}"
    )
    ratio, control = Ratio.of(seconds["ours"], seconds["theirs"]), Ratio.of(seconds["theirs"], seconds["theirs again"])
    return [at_most(0.4, f"thresholds of {rows:,} x {labels.shape[1]}, time: ours / precision_recall_curve", ratio, control, note)]


def theirs(scores: NDArray[np.float32], labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The thresholds (C,) of highest F1; each is the score of a row."""
    from sklearn.metrics import precision_recall_curve

    thresholds = []
    for values, is_positive in zip(scores.T, labels.T, strict=True):
        precision, recall, candidates = precision_recall_curve(is_positive, values)
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        thresholds.append(candidates[f1[:-1].argmax()])
    return np.array(thresholds, np.float64)


def synthetic_scores(labels: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Logits (N, C) of a mediocre model: normal, shifted by the label and by the frequency of the class."""
    prior = np.log(labels.mean(axis=0) + 1e-5)
    noise = np.random.default_rng(1).standard_normal(labels.shape)
    return (1.5 * noise + 3.5 * labels + prior).astype(np.float32)
