"""Scores of multi-label decisions and rankings, on plain arrays."""

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.floating]


def confusion_counts(labels: Bools, decisions: Bools) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """True positives, false positives and false negatives of each class, (C,) each, from (N, C) arrays."""
    labels, decisions = np.asarray(labels, bool), np.asarray(decisions, bool)
    true_positives = (labels & decisions).sum(axis=0)
    return true_positives, decisions.sum(axis=0) - true_positives, labels.sum(axis=0) - true_positives


def f1_from_counts(true_positives: NDArray, false_positives: NDArray, false_negatives: NDArray) -> NDArray[np.float64]:
    """F1 = 2TP / (2TP + FP + FN); a class without a hit counts 0, also where the denominator is 0."""
    denominator = 2 * true_positives + false_positives + false_negatives
    return 2 * true_positives / np.maximum(denominator, 1)


def per_class_f1(labels: Bools, decisions: Bools) -> NDArray[np.float64]:
    """F1 of each class, (C,), from labels and decisions (N, C)."""
    return f1_from_counts(*confusion_counts(labels, decisions))


def macro_f1(labels: Bools, decisions: Bools) -> float:
    """The competition's metric: the mean of `per_class_f1` over all classes of the label space.

    A class without a hit counts 0, as scikit-learn's `f1_score(average="macro", zero_division=0)` has it.
    """
    return float(per_class_f1(labels, decisions).mean())


def mean_auroc(labels: Bools, scores: Floats) -> float:
    """Mean AUROC over the columns of (N, C) arrays in which both outcomes occur; ties count half (Mann and Whitney 1947).

    NaN where no column has both.
    """
    found = []
    for truth, score in zip(labels.T, scores.T, strict=True):
        positives = int(truth.sum())
        if 0 < positives < len(truth):
            _, place, count = np.unique(score, return_inverse=True, return_counts=True)
            rank = (np.cumsum(count) - (count - 1) / 2)[place]
            above = rank[truth].sum() - positives * (positives + 1) / 2
            found.append(above / (positives * (len(truth) - positives)))
    return float(np.mean(found)) if found else float("nan")


def sigmoid(logits: Floats) -> Floats:
    """Probabilities of logits, without overflow and in the logits' own precision."""
    return np.exp(-np.logaddexp(0, -logits))


def logit(probs: Floats, clip: float = 16.0) -> Floats:
    """Logits of probabilities in [0, 1], clipped to +-`clip`, so that exact 0 and 1 stay finite."""
    with np.errstate(divide="ignore"):
        return np.clip(np.log(probs) - np.log1p(-probs), -clip, clip)
