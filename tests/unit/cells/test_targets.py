"""Targets of the segmenting network against distances that are computed pixel by pixel."""

import numpy as np

from comp.cells.targets import between, targets
from comp.cells.watershed import nuclei, numbered


def discs(shape, places):
    """A label image with discs of (row, column, radius)."""
    rows, columns = np.indices(shape)
    labels = np.zeros(shape, np.int32)
    for number, (row, column, radius) in enumerate(places, start=1):
        labels[(rows - row) ** 2 + (columns - column) ** 2 <= radius**2] = number
    return labels


def slow_depth(labels):
    """The distance of each pixel to the nearest one outside its object, over the largest in the object; the image's border is outside."""
    padded = np.pad(labels, 1)
    depth = np.zeros(padded.shape)
    for number in np.unique(labels[labels > 0]):
        outside = np.argwhere(padded != number)
        own = np.argwhere(padded == number)
        distance = np.array([np.sqrt(((outside - place) ** 2).sum(axis=1).min()) for place in own])
        depth[tuple(own.T)] = distance / distance.max()
    return depth[1:-1, 1:-1]


def test_depth_is_the_distance_to_the_objects_own_border():
    labels = discs((40, 30), [(10, 9, 7), (10, 20, 5), (33, 3, 8)])  # the first two touch, the last is cut by the image's border
    inside, depth = np.moveaxis(targets(labels), -1, 0)
    assert np.array_equal(inside, labels > 0)
    np.testing.assert_allclose(depth, slow_depth(labels), atol=0.04)  # OpenCV's distances are within 2 %
    assert depth.max() == 1
    assert (depth[labels == 0] == 0).all()


def test_numbers_that_are_left_out_do_not_matter():
    labels = discs((20, 20), [(6, 6, 4), (14, 14, 4)])
    assert np.array_equal(targets(labels), targets(np.where(labels == 2, 900, labels).astype(np.uint16)))
    assert targets(np.zeros((5, 6), np.int32)).shape == (5, 6, 2)
    assert not targets(np.zeros((5, 6), np.int32)).any()


def test_pixels_between_objects_have_two_of_them_in_their_neighbourhood():
    generator = np.random.default_rng(0)
    labels = np.where(generator.random((30, 40)) < 0.04, generator.integers(1, 4, (30, 40)) * 300, 0)
    padded = np.pad(labels, 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5)).reshape(30, 40, -1)
    several = np.array([[len(set(window) - {0}) > 1 for window in row] for row in windows])
    assert 0.05 < several.mean() < 0.95
    np.testing.assert_array_equal(between(labels, 5), several)
    assert not between(discs((20, 20), [(10, 10, 6)]), 5).any()
    assert not between(np.zeros((6, 5), np.uint16), 5).any()


def test_the_watershed_of_true_targets_gives_back_touching_objects():
    labels = discs((60, 60), [(20, 15, 11), (20, 37, 11), (42, 26, 11)])
    inside, depth = np.moveaxis(targets(labels), -1, 0)
    found = nuclei(inside, depth, 22, valley=0.3)
    assert found.max() == 3
    for number in (1, 2, 3):
        own = found == np.bincount(found[labels == number]).argmax()
        assert (own & (labels == number)).sum() / (own | (labels == number)).sum() > 0.9


def test_small_objects_are_dropped_holes_filled_and_numbers_without_gaps():
    labels = discs((30, 30), [(8, 8, 6), (20, 20, 7), (3, 25, 1)])
    labels[8, 8] = 0
    found = numbered(np.where(labels == 2, 9, labels), 10)
    assert np.array_equal(np.unique(found), [0, 1, 2])
    assert found[8, 8] == found[8, 9] > 0
    assert found[3, 25] == 0
