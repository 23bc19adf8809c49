"""Matching of segmented objects against a slow, obvious version, and cases that can be counted by hand."""

from itertools import permutations

import numpy as np
import pytest

from comp.metrics.object_matching import Matches, intersection_over_union, match


def slow_iou(truth, found):
    true, others = [number for number in np.unique(truth) if number], [number for number in np.unique(found) if number]
    table = np.zeros((len(true), len(others)))
    for row, a in enumerate(true):
        for column, b in enumerate(others):
            table[row, column] = ((truth == a) & (found == b)).sum() / ((truth == a) | (found == b)).sum()
    return table


def slow_match(truth, found, iou):
    """The largest number of pairs, by trying all of them."""
    good = slow_iou(truth, found) >= iou
    if good.shape[0] > good.shape[1]:
        good = good.T
    columns = range(good.shape[1])
    return max((sum(good[row, column] for row, column in enumerate(order)) for order in permutations(columns, good.shape[0])), default=0)


@pytest.mark.parametrize("seed", range(30))
def test_it_matches_as_many_objects_as_all_pairings_can(seed):
    generator = np.random.default_rng(seed)
    truth = np.kron(generator.choice([0, 0, 3, 7, 8, 12], (4, 4)), np.ones((3, 3), int))
    found = np.roll(truth, generator.integers(0, 3, 2), (0, 1))
    found[generator.random(found.shape) < 0.1] = generator.choice([0, 2, 40])
    np.testing.assert_allclose(intersection_over_union(truth, found)[0].toarray(), slow_iou(truth, found))
    for iou in (0.1, 0.5, 0.8):
        expected = slow_match(truth, found, iou)
        counted = match(truth, found, iou)
        assert counted.true_positives == expected
        assert counted.true_positives + counted.false_negatives == len(np.unique(truth[truth > 0]))
        assert counted.true_positives + counted.false_positives == len(np.unique(found[found > 0]))


def test_a_merged_a_split_and_a_missed_object():
    truth = np.zeros((4, 12), int)
    truth[:, 0:2], truth[:, 2:4], truth[:, 5:8], truth[:, 9:12] = 1, 2, 3, 4
    found = np.zeros_like(truth)
    found[:, 0:4] = 5  # 1 and 2 as one: an IoU of 0.5 with each
    found[:, 5:7], found[:, 7:8] = 6, 7  # 3 as two: 2/3 and 1/3
    assert match(truth, found, 0.5) == Matches(true_positives=2, false_positives=1, false_negatives=2)
    assert match(truth, found, 0.7) == Matches(true_positives=0, false_positives=3, false_negatives=4)
    assert match(truth, found, 0.5).average_precision == 2 / 5
    assert match(truth, found, 0.5).f1 == 4 / 7


def test_images_without_objects():
    nothing, one = np.zeros((3, 3), np.uint16), np.eye(3, dtype=np.uint16)
    assert match(nothing, nothing, 0.5).average_precision == 1
    assert match(nothing, nothing, 0.5).f1 == 1
    assert match(one, nothing, 0.5) == Matches(0, 0, 1)
    assert match(nothing, one, 0.5) == Matches(0, 1, 0)
    assert match(one, nothing, 0.5).f1 == 0


def test_label_images_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"label images of \(2, 2\) and \(3, 2\)"):
        match(np.zeros((2, 2), int), np.zeros((3, 2), int), 0.5)
