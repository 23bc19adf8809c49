"""How well segmented objects match the true ones: counts at a threshold of the intersection over union (IoU).

An object counts as found if it is matched with a true one at that IoU or more. Each object is matched once, so that as many as possible are
matched. As in the 2018 Data Science Bowl, the average precision at one threshold is TP / (TP + FP + FN); the mean over images is reported.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix

Labels = NDArray[np.integer]


@dataclass(frozen=True)
class Matches:
    """How many objects of one image were found (`true_positives`), invented and missed."""

    true_positives: int
    false_positives: int
    false_negatives: int

    @property
    def average_precision(self) -> float:
        """TP / (TP + FP + FN); 1 for an image without objects in which none was found."""
        return _share(self.true_positives, self.false_positives + self.false_negatives)

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN); 1 for an image without objects in which none was found."""
        return _share(2 * self.true_positives, self.false_positives + self.false_negatives)


def match(truth: Labels, found: Labels, iou: float) -> Matches:
    """Match the objects of two label images (H, W), in which 0 is background.

    Args:
        iou: above 0, at most 1.

    Raises:
        ValueError: the shapes differ.
    """
    overlaps, true_count, found_count = intersection_over_union(truth, found)
    good = overlaps.toarray() >= iou
    rows, columns = linear_sum_assignment(good, maximize=True)
    matched = int(good[rows, columns].sum())
    return Matches(matched, found_count - matched, true_count - matched)


def intersection_over_union(truth: Labels, found: Labels) -> tuple[coo_matrix, int, int]:
    """The IoU of each true object (rows) with each found one (columns), and how many there are of each, in the order of their numbers.

    Raises:
        ValueError: the shapes differ.
    """
    if truth.shape != found.shape:
        raise ValueError(f"label images of {truth.shape} and {found.shape}")
    true_numbers, true_index, true_areas = np.unique(truth, return_inverse=True, return_counts=True)
    found_numbers, found_index, found_areas = np.unique(found, return_inverse=True, return_counts=True)
    both = true_index.ravel() * len(found_numbers) + found_index.ravel()
    pairs, shared = np.unique(both, return_counts=True)
    rows, columns = pairs // len(found_numbers), pairs % len(found_numbers)
    objects = (true_numbers[rows] > 0) & (found_numbers[columns] > 0)
    rows, columns, shared = rows[objects], columns[objects], shared[objects]
    union = true_areas[rows] + found_areas[columns] - shared
    first_true, first_found = int(true_numbers[0] == 0), int(found_numbers[0] == 0)
    counts = len(true_numbers) - first_true, len(found_numbers) - first_found
    return coo_matrix((shared / union, (rows - first_true, columns - first_found)), counts), *counts


def _share(hits: int, misses: int) -> float:
    return hits / (hits + misses) if hits + misses else 1.0
