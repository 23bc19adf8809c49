"""The diameter of nuclei is found without a network, whatever else lies in the image."""

import cv2
import numpy as np
import pytest

from comp.cells.scale import DIAMETER, equivalent_diameters, rough_diameter, weighted_median
from comp.cells.stains import normalised, planes, stains_of


def field(side, diameter, count, seed=0):
    """Discs that do not overlap, on noise."""
    generator = np.random.default_rng(seed)
    image, places = np.zeros((side, side), np.float32), []
    while len(places) < count:
        place = generator.uniform(diameter, side - diameter, 2)
        if all(np.hypot(*(place - other)) > 1.1 * diameter for other in places):
            places.append(place)
            cv2.circle(image, tuple(int(each) for each in place), round(diameter / 2), float(generator.uniform(0.5, 1)), -1)
    return image + generator.normal(0, 0.03, image.shape).astype(np.float32)


@pytest.mark.parametrize("diameter", [9, 14, 30, 60, 150])
def test_the_diameter_of_discs(diameter):
    image = field(12 * diameter, diameter, 12)
    assert rough_diameter(image) == pytest.approx(diameter, rel=0.25)


def test_dust_and_pieces_of_several_nuclei_do_not_matter():
    image = field(500, 30, 25)
    for row, column in np.random.default_rng(1).integers(0, 500, (300, 2)):
        image[row : row + 2, column : column + 2] = 1  # dust
    image[200:230, 50:450] = 0.8  # a row of nuclei that touch
    assert rough_diameter(image) == pytest.approx(30, rel=0.25)


def test_large_images_are_measured_at_a_smaller_size():
    assert rough_diameter(field(2600, 200, 20)) == pytest.approx(200, rel=0.25)


def test_an_image_of_one_value_has_the_usual_diameter():
    assert rough_diameter(np.full((50, 40), 7, np.float32)) == DIAMETER


def test_equivalent_diameters_are_those_of_circles():
    labels = np.zeros((100, 100), np.uint16)
    cv2.circle(labels, (30, 30), 20, 5, -1)
    labels[60:64, 10:14] = 2
    np.testing.assert_allclose(equivalent_diameters(labels), [np.sqrt(16 * 4 / np.pi), 40.5], rtol=0.02)
    assert len(equivalent_diameters(np.zeros((3, 3), int))) == 0


def test_the_weighted_median_is_that_of_repeated_values():
    generator = np.random.default_rng(0)
    for _ in range(20):
        values, weights = generator.normal(size=7), generator.integers(1, 6, 7)
        repeated = np.sort(np.repeat(values, weights))
        assert weighted_median(values, weights) == repeated[(len(repeated) + 1) // 2 - 1]


def test_planes_do_not_depend_on_exposure_and_bits():
    generator = np.random.default_rng(0)
    image = generator.random((40, 60)) ** 3
    eight, sixteen = np.rint(image * 255).astype(np.uint8), np.rint(image * 900 + 100).astype(np.uint16)
    np.testing.assert_allclose(normalised(sixteen), normalised(image), atol=0.005)
    np.testing.assert_allclose(normalised(eight), normalised(image), atol=0.01)
    assert np.percentile(normalised(image), [1, 99.8]) == pytest.approx([0, 1], abs=1e-6)
    assert not normalised(np.full((5, 5), 9)).any()
    assert planes({"nuclei": image, "reticulum": image}, 0.5).shape == (20, 30, 3)
    assert not planes({"nuclei": image}, 1.0)[..., 1:].any()


def test_a_single_bright_nucleus_in_the_dark_is_not_lost():
    image = np.zeros((200, 200), np.uint8)
    image[100:105, 100:105] = 90  # less than two in a thousand
    assert normalised(image)[102, 102] == 1


def test_stains_by_the_names_of_channels():
    assert stains_of(("red", "green", "blue", "yellow")) == {"microtubules": 0, "nuclei": 2, "reticulum": 3}
    assert stains_of(("grey",)) == {"nuclei": 0}
    assert stains_of(("green", "red")) == {"microtubules": 1}
