"""Macro F1, the metric of the competition: the mean over the classes of each class's F1."""

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]


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


def best_constant(labels: Bools) -> float:
    """The highest macro F1 of an answer that gives every image the same labels.

    Each class counts by itself and never below 0, so all labels for all images is best: the mean of 2n / (N + n), for n positives in N
    images.
    """
    return macro_f1(labels, np.ones_like(labels))
