"""Recombined fields: ellipses against moments written out, cells that come from donors, and fields without cells or full of them."""

import time

import cv2
import numpy as np
import pytest

from comp.synthesis.recombination import MOST_STRETCH, CellField, Shapes, recombined


def field_of(green, cells):
    return CellField(green, cells, np.zeros((*cells.shape, 0), np.float32))


def ellipses(count=5, size=120, seed=0, grey=100):
    """A field of ellipses that do not touch, all of one grey level."""
    generator = np.random.default_rng(seed)
    cells = np.zeros((size, size), np.uint16)
    for number in range(count):
        centre = (int(size * (0.2 + 0.3 * (number % 3))), int(size * (0.2 + 0.3 * (number // 3))))
        axes = tuple((size * generator.uniform(0.07, 0.1, 2)).astype(int).tolist())
        cv2.ellipse(cells, centre, axes, float(generator.uniform(0, 180)), 0, 360, number + 3, -1)
    return field_of(np.where(cells > 0, grey, 0).astype(np.uint8), cells)


def test_shapes_are_the_moments_of_each_cells_pixels():
    cells = ellipses(7).cells
    cells[:10, 40:50] = 99  # at the border
    cells[60:62, 60:62] = 98  # too small
    found = Shapes.of(cells)
    assert found.number.tolist() == [number for number in np.unique(cells)[1:] if number < 98]
    for row, number in enumerate(found.number):
        y, x = np.nonzero(cells == number)
        assert found.area[row] == len(x)
        np.testing.assert_allclose(found.centre[row], [x.mean(), y.mean()])
        covariance = np.cov(np.stack([x, y]), bias=True)
        np.testing.assert_allclose(found.axes[row] @ np.diag(found.length[row] ** 2) @ found.axes[row].T, covariance, rtol=1e-6, atol=1e-6)
        assert found.box[row].tolist() == [x.min(), y.min(), x.max() + 1, y.max() + 1]


def test_cells_come_from_the_donor_and_the_rest_from_the_base():
    base, donor = ellipses(6, seed=1, grey=100), ellipses(6, seed=2, grey=100)
    striped = field_of(np.where(np.arange(120)[:, None] % 2 == 0, 2 * donor.green, 0).astype(np.uint8), donor.cells)
    alone = recombined(base, [], np.random.default_rng(5))
    mixed = recombined(base, [striped], np.random.default_rng(5), share=1.0)
    np.testing.assert_array_equal(mixed.cells, alone.cells)
    kept, replaced = 0, 0
    for number in Shapes.of(alone.cells).number:
        inside = cv2.erode((alone.cells == number).astype(np.uint8), np.ones((5, 5))) > 0
        spread = mixed.green[inside].std()
        assert alone.green[inside].std() < 5
        kept, replaced = kept + (spread < 5), replaced + (spread > 15)
    assert replaced >= 3
    assert replaced + kept == len(Shapes.of(alone.cells).number)
    far = cv2.dilate((alone.cells > 0).astype(np.uint8), np.ones((9, 9))) == 0
    np.testing.assert_array_equal(mixed.green[far], alone.green[far])


def test_the_brightness_of_a_donor_is_matched():
    base, donor = ellipses(6, seed=1, grey=60), ellipses(6, seed=1, grey=110)
    mixed = recombined(base, [donor], np.random.default_rng(5), share=1.0)
    for number in Shapes.of(mixed.cells).number:
        inside = cv2.erode((mixed.cells == number).astype(np.uint8), np.ones((7, 7))) > 0
        assert np.abs(mixed.green[inside].astype(int) - 60).max() <= 8


def test_cells_that_would_be_stretched_too_far_are_not_taken():
    base, donor = ellipses(6, seed=1), ellipses(6, seed=1, size=400, grey=200)
    assert (donor.shapes.length / base.shapes.length).min() > MOST_STRETCH
    with_donor = recombined(base, [donor], np.random.default_rng(5), share=1.0)
    np.testing.assert_array_equal(with_donor.green, recombined(base, [], np.random.default_rng(5)).green)


def test_a_share_of_nothing_replaces_nothing():
    base, donor = ellipses(6, seed=1), ellipses(6, seed=2, grey=200)
    untouched = recombined(base, [donor], np.random.default_rng(5), share=0.0)
    np.testing.assert_array_equal(untouched.green, recombined(base, [], np.random.default_rng(5)).green)


@pytest.mark.parametrize("shape", [(64, 64), (64, 100)])
def test_empty_fields_and_one_giant_cell_are_deformed_only(shape):
    green = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    full = ellipses(4, size=64)
    for cells in (np.zeros(shape, np.uint16), np.ones(shape, np.uint16)):
        found = recombined(field_of(green, cells), [field_of(green, cells), full], np.random.default_rng(1))
        assert found.green.shape == shape
        assert found.green.std() > 20
        assert not len(Shapes.of(cells))


def test_three_thousand_cells_take_a_second_at_most():
    size, side = 550, 10
    cells = np.kron(np.arange(1, 1 + (size // side) ** 2).reshape(size // side, -1), np.ones((side, side))).astype(np.uint16)
    assert cells.max() > 3000
    field = field_of(np.random.default_rng(0).integers(0, 256, (size, size), dtype=np.uint8), cells)
    started = time.process_time()
    recombined(field, [field], np.random.default_rng(1))
    assert time.process_time() - started < 3
