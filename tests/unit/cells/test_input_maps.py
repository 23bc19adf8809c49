"""The segmenter's maps as input channels are those that it segments by."""

import numpy as np
import pytest
import torch

from comp.base.errors import ConfigError
from comp.cells.input_maps import at_scale_of, segmenter_weights, shown_stains
from comp.cells.packaged import PACKAGED
from comp.cells.segmenter_file import read_segmenter
from comp.cells.stains import planes
from comp.models.networks import trained_maps
from comp.practice.draw import draw_field
from comp.practice.tables import PracticeSpec, draw_tables
from comp.practice.writer import scene

CHANNELS = ("red", "green", "blue", "yellow")


@pytest.fixture(scope="module")
def images():
    """(4, 128, 128, 4) painted fields."""
    rows = draw_tables(PracticeSpec(train=200, test=1, unshifted=1, seed=5)).to_dict("records")[:4]
    return np.stack([draw_field(scene(row), 128).image for row in rows])


def maps_of(weights, images):
    tensors = {name: torch.from_numpy(values) for name, values in weights.tensors.items()}
    with torch.inference_mode():
        return trained_maps([weights.network], [tensors])[0].maps(torch.from_numpy(images)).numpy()


def expected(image, scale):
    """By the segmenter's own way from pixels to planes, in full precision."""
    red, _, blue, yellow = image.transpose(2, 0, 1)
    seen = planes({"nuclei": blue, "microtubules": red, "reticulum": yellow}, scale)
    with torch.inference_mode():
        return torch.sigmoid(read_segmenter(PACKAGED).network(torch.from_numpy(seen).permute(2, 0, 1)[None]))[0].permute(1, 2, 0).numpy()


def test_they_are_those_that_the_segmenter_draws(images):
    found = maps_of(segmenter_weights(CHANNELS), images)
    assert found.shape == (4, 128, 128, 4)
    for image, each in zip(images, found, strict=True):
        np.testing.assert_allclose(each / 255, expected(image, 1), atol=0.01)
    large = np.tile(images[0], (5, 6, 1))  # of which not all pixels are looked at for the percentiles
    np.testing.assert_allclose(maps_of(segmenter_weights(CHANNELS), large[None])[0] / 255, expected(large, 1), atol=0.01)


def test_they_are_drawn_at_the_scale_at_which_nuclei_have_the_usual_size(images):
    weights = segmenter_weights(CHANNELS)
    weights = at_scale_of(weights, np.zeros((3, 90, 90, 4), np.uint8) + disc(diameter=12)[..., None], np.arange(3))
    assert weights.tensors["scale"] == pytest.approx(2, rel=0.2)
    weights.tensors["scale"] = np.asarray(2, np.float32)
    for image, each in zip(images, maps_of(weights, images), strict=True):
        reference = expected(image, 2).reshape(128, 2, 128, 2, 4).mean(axis=(1, 3))
        assert np.abs(each / 255 - reference).mean() < 0.02


def disc(diameter):
    y, x = np.mgrid[:90, :90] - 45
    return np.where(x**2 + y**2 < diameter**2 / 4, 200, 10).astype(np.uint8)


def test_only_the_given_rows_are_measured(images):
    weights, rows = segmenter_weights(CHANNELS), np.array([0, 2])
    other = images.copy()
    other[[1, 3]] = 255 - other[[1, 3]]
    assert at_scale_of(weights, images, rows).tensors["scale"] == at_scale_of(weights, other, rows).tensors["scale"]


def test_images_without_all_stains_have_maps(images):
    alone = maps_of(segmenter_weights(("blue",)), images[..., 2:3])
    assert alone.shape == (4, 128, 128, 4)
    assert 0.05 < (alone[..., 0] > 127).mean() < 0.9
    assert np.isfinite(maps_of(segmenter_weights(CHANNELS), np.full((1, 40, 56, 4), 7, np.uint8))).all()


def test_images_without_nuclei_are_refused():
    assert shown_stains(("blue", "green")) == [0, None, None]
    with pytest.raises(ConfigError, match="the segmenter needs nuclei, blue, and the channels are green, red"):
        shown_stains(("green", "red"))
