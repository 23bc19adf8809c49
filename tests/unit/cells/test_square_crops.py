"""Square crops against plain slices."""

import cv2
import numpy as np

from comp.cells.segmenter import Masks
from comp.cells.square_crops import resized_window, square_crops
from comp.images.bags import CropPlan

GENERATOR = np.random.default_rng(0)
IMAGE = GENERATOR.integers(1, 256, (60, 80, 3), np.uint8)
CHANNELS = [np.ascontiguousarray(IMAGE[..., number]) for number in range(3)]


def masks_of(centres, radius=6, with_cells=True):
    nuclei, cells = (np.zeros((60, 80), np.uint16) for _ in range(2))
    for number, (row, column) in enumerate(centres, start=1):
        cv2.circle(cells, (column, row), radius + 4, number, -1)
    for number, (row, column) in enumerate(centres, start=1):
        cv2.circle(nuclei, (column, row), radius, number, -1)
    return Masks(nuclei, cells if with_cells else None)


def diameter(masks):
    areas = np.bincount(masks.nuclei.ravel())[1:]
    return np.median(np.sqrt(4 / np.pi * areas))


def test_a_crop_shows_what_lies_around_its_cell():
    for with_cells in (True, False):
        masks = masks_of([(30, 20), (31, 55)], with_cells=with_cells)
        span = 16.1 / diameter(masks)  # 16 pixels, which the crop has too: nothing is resized
        found = square_crops(CHANNELS, masks, CropPlan(16, 8, span))
        assert list(found.numbers) == [1, 2]
        for crop, (row, column) in zip(found.pixels, [(30, 20), (31, 55)], strict=True):
            corner = round(row + 0.5 - 8), round(column + 0.5 - 8)  # a box from r to r + 1 has its middle at r + 0.5
            np.testing.assert_array_equal(crop, IMAGE[corner[0] : corner[0] + 16, corner[1] : corner[1] + 16])


def test_it_is_black_outside_the_image_and_resized_by_area():
    np.testing.assert_array_equal(resized_window(IMAGE, (-3, 70), 16, 16)[3:, :10], IMAGE[:13, 70:])
    assert not resized_window(IMAGE, (-3, 70), 16, 16)[:3].any()
    assert not resized_window(IMAGE, (-3, 70), 16, 16)[:, 10:].any()
    assert not resized_window(IMAGE, (-40, -40), 16, 8).any()
    assert not resized_window(IMAGE, (100, 100), 16, 8).any()
    means = IMAGE[10:26, 20:36].reshape(8, 2, 8, 2, 3).mean(axis=(1, 3))
    assert np.abs(resized_window(IMAGE, (10, 20), 16, 8) - means).max() <= 0.5
    assert resized_window(IMAGE[..., :1], (0, 0), 8, 16).shape == (16, 16, 1)


def test_cells_far_from_the_border_are_kept_in_the_order_of_their_numbers():
    centres = [(10, 10), (30, 40), (28, 70), (30, 20), (48, 60)]
    found = square_crops(CHANNELS, masks_of(centres, radius=4), CropPlan(8, 2, 1.0))
    assert list(found.numbers) == [2, 4]
    every = square_crops(CHANNELS, masks_of(centres, radius=4), CropPlan(8, 99, 1.0))
    assert list(every.numbers) == [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(every.pixels[[1, 3]], found.pixels)


def test_all_crops_of_an_image_have_one_scale():
    masks = masks_of([(30, 20)], radius=4)
    masks.nuclei[20:36, 50:66] = 2
    masks.cells[20:36, 50:66] = 2
    found = square_crops(CHANNELS, masks, CropPlan(10, 8, 2.0))
    side = round(2.0 * diameter(masks))
    np.testing.assert_array_equal(found.pixels[1], resized_window(IMAGE, (round(28 - side / 2), round(58 - side / 2)), side, 10))


def test_without_a_cell_the_whole_image_is_the_only_crop():
    nothing = np.zeros((60, 80), np.uint16)
    found = square_crops(CHANNELS, Masks(nothing, nothing), CropPlan(16, 8, 3.0))
    assert list(found.numbers) == [0]
    expected = cv2.resize(IMAGE, (16, 16), interpolation=cv2.INTER_AREA)
    assert np.abs(found.pixels[0].astype(int) - expected).max() <= 1


def test_cells_whose_nuclei_are_smaller_than_a_pixel_are_no_crops():
    nothing, everywhere = np.zeros((60, 80), np.uint16), np.ones((60, 80), np.uint16)
    assert list(square_crops(CHANNELS, Masks(nothing, everywhere), CropPlan(16, 8, 3.0)).numbers) == [0]


def test_a_single_channel_and_one_giant_cell():
    everywhere = np.ones((60, 80), np.uint16)
    found = square_crops(CHANNELS[:1], Masks(everywhere, None), CropPlan(16, 8, 3.0))
    assert found.pixels.shape == (1, 16, 16, 1)
    assert found.pixels.any()
