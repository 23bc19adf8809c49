"""Which nuclei are found: seeds on drawn maps, and faint nuclei beside a slow rule that looks at one nucleus at a time."""

import numpy as np
import pytest

from comp.cells.watershed import FAINTEST, INSIDE, SURE, nuclei, without_faint


def image(brightness, background=0.3):
    """Squares of those brightnesses above the background, side by side, on a little noise."""
    labels = np.zeros((12, 10 * len(brightness) + 10), np.int32)
    stain = np.random.default_rng(0).normal(background, 0.001, labels.shape).astype(np.float32)
    for number, bright in enumerate(brightness, start=1):
        square = np.s_[2:9, 10 * number : 10 * number + 7]
        labels[square] = number
        stain[square] += bright
    return labels, stain


def kept(labels, stain):
    """The slow rule: numbers of the nuclei that stay."""
    numbers = range(1, labels.max() + 1)
    above = {number: stain[labels == number].mean() - np.median(stain[labels == 0]) for number in numbers}
    return [number for number in numbers if above[number] >= FAINTEST * np.median(list(above.values()))]


MANY = (*[0.6] * 40, 0.1, 3)


@pytest.mark.parametrize("brightness", [(1, 0.05, 0.8, 0.25), (0.19, 1, 1), (0.21, 1, 1), (0.1, 0.1, 0.1), (2, 0.5), (0.01, 1), MANY])
def test_faint_nuclei_go_and_the_others_are_numbered_anew(brightness):
    labels, stain = image(brightness)
    found = without_faint(labels, stain)
    expected = np.zeros_like(labels)
    for number, before in enumerate(kept(labels, stain), start=1):
        expected[labels == before] = number
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.int32


@pytest.mark.parametrize(
    ("brightness", "count"), [((), 0), ((0.001,), 1), ((-0.3, -0.25, -0.2), 3), ((0.5, 0.45, 0.085), 2), ((0.5, 0.45, 0.095), 3)]
)
def test_how_many_stay(brightness, count):
    assert without_faint(*image(brightness)).max() == count


def test_an_image_full_of_nuclei_keeps_them():
    labels = np.repeat([[1, 2, 3]], 5, axis=0).astype(np.int32)
    np.testing.assert_array_equal(without_faint(labels, labels.astype(np.float32)), labels)


def test_nuclei_without_any_contrast_stay():
    labels, stain = image((1, 1))
    assert without_faint(labels, np.zeros_like(stain)).max() == 2


def maps(*discs, side=64):
    """Probability and depth (side, side) of discs (row, column, radius, probability, depth in the middle)."""
    inside, depth = np.zeros((2, side, side), np.float32)
    rows, columns = np.mgrid[:side, :side]
    for row, column, radius, probability, deepest in discs:
        deep = 1 - np.hypot(rows - row, columns - column) / radius
        inside[deep > 0] = probability
        depth = np.maximum(depth, deepest * deep.clip(0)).astype(np.float32)
    return inside, depth


DEEP, SHALLOW, UNSURE = (16, 16, 10, 0.95, 1), (46, 46, 10, 0.95, 0.2), (16, 46, 10, (INSIDE + SURE) / 2, 0.2)


@pytest.mark.parametrize(
    ("discs", "count"),
    [((DEEP,), 1), ((SHALLOW,), 1), ((DEEP, SHALLOW), 2), ((UNSURE,), 0), ((DEEP, UNSURE), 1), ((DEEP, SHALLOW, UNSURE), 2), ((), 0)],
)
def test_a_nucleus_that_stands_alone_needs_no_deep_middle(discs, count):
    inside, depth = maps(*discs)
    found = nuclei(inside, depth, 20, valley=0.35)
    assert sorted(np.unique(found)) == list(range(count + 1))
    for row, column, radius, *_ in set(discs) - {UNSURE}:
        own = found[row, column]
        assert own > 0
        assert (found == own).sum() == pytest.approx(np.pi * radius**2, rel=0.05)


@pytest.mark.parametrize(("valley", "count"), [(0.1, 2), (0.7, 1)])
def test_a_valley_parts_nuclei_that_touch(valley, count):
    inside, depth = maps((32, 22, 11, 0.95, 1), (32, 40, 11, 0.95, 0.9))
    assert nuclei(inside, depth, 20, valley).max() == count


def test_shallow_nuclei_that_touch_are_one():
    inside, depth = maps((32, 22, 11, 0.95, 0.2), (32, 40, 11, 0.95, 0.2))
    assert nuclei(inside, depth, 20, valley=0.35).max() == 1
