"""The packaged segmenter on images of every kind: true fields, empty ones, one giant cell, thousands of cells, other bits and shapes."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from comp.cells.cell_pictures import crops
from comp.cells.cell_table import cell_table
from comp.cells.classical import segment_classically
from comp.cells.image_files import parse_stains
from comp.cells.labelled_fields import find_labelled
from comp.cells.packaged import PACKAGED
from comp.cells.scores import score_images
from comp.cells.segmenter import MARGIN, TILE, Masks
from comp.cells.segmenter_file import read_segmenter
from comp.metrics.object_matching import match
from comp.practice.draw import draw_field
from comp.practice.tables import PracticeSpec, draw_tables
from comp.practice.writer import scene
from tests.unit.cells.test_scale import field
from tests.unit.cells.test_targets import discs


@pytest.fixture(scope="module")
def segmenter():
    return read_segmenter(PACKAGED)


@pytest.fixture(scope="module")
def drawn():
    """Painted fields of a seed that the segmenter was not trained on."""
    rows = draw_tables(PracticeSpec(train=140, test=1, unshifted=1, seed=5)).to_dict("records")
    return [draw_field(scene(row), 128) for row in rows[:24]]


def stains(image):
    return {"microtubules": image[..., 0], "nuclei": image[..., 2], "reticulum": image[..., 3]}


def test_the_packaged_file_is_small():
    assert PACKAGED.stat().st_size < 5_000_000


def test_painted_nuclei_and_cells_are_told_apart(segmenter, drawn):
    found = [segmenter(stains(each.image)) for each in drawn]
    nuclei = [match(each.nuclei, masks.nuclei, 0.5).average_precision for each, masks in zip(drawn, found, strict=True)]
    cells = [match(each.cells, masks.cells, 0.5).average_precision for each, masks in zip(drawn, found, strict=True)]
    assert np.mean(nuclei) > 0.88
    assert np.mean(cells) > 0.72
    classical = [match(each.nuclei, segment_classically(stains(each.image)).nuclei, 0.5).average_precision for each in drawn]
    assert np.mean(nuclei) > np.mean(classical)


@pytest.mark.parametrize(("side", "seen"), [(96, 288), (300, 900), (512, 1024), (1500, 1500)])
def test_images_of_tiny_nuclei_are_enlarged_up_to_three_times_and_a_million_pixels(segmenter, monkeypatch, side, seen):
    shapes = []

    def maps(planes, with_flips):
        assert with_flips
        shapes.append(planes.shape)
        return np.zeros((*planes.shape[:2], 4), np.float32)

    monkeypatch.setattr(segmenter, "maps", maps)
    assert segmenter({"nuclei": np.random.default_rng(0).random((side, side))}, diameter=5.0).count == 0
    assert shapes == [(seen, seen, 3)]


def test_maps_of_flips_are_averaged_within_a_million_pixels(segmenter):
    generator = np.random.default_rng(0)
    planes = np.zeros((256, 320, 3), np.float32)
    planes[..., 0] = cv2.GaussianBlur(generator.random((256, 320)), (0, 0), 6)
    once = [segmenter.maps(np.ascontiguousarray(np.flip(planes, axes))) for axes in ((), 0, 1, (0, 1))]
    mean = np.mean([np.flip(maps, axes) for maps, axes in zip(once, ((), 0, 1, (0, 1)), strict=True)], axis=0)
    np.testing.assert_allclose(segmenter.maps(planes, with_flips=True), mean, atol=1e-6)
    large = np.tile(planes, (4, 3, 1))
    np.testing.assert_array_equal(segmenter.maps(large, with_flips=True), segmenter.maps(large))


def test_a_cell_has_the_number_of_its_nucleus_and_holds_it(segmenter, drawn):
    masks = segmenter(stains(drawn[0].image))
    inside = masks.nuclei > 0
    assert inside.any()
    assert np.array_equal(masks.cells[inside], masks.nuclei[inside])
    assert set(np.unique(masks.cells)) == set(np.unique(masks.nuclei)) == set(range(masks.count + 1))


@pytest.mark.skipif("HPA_SHARED" not in os.environ, reason="HPA_SHARED names no folder with real nuclei")
def test_real_fields_that_it_never_saw(segmenter):
    fields = find_labelled(Path(os.environ["HPA_SHARED"]) / "nuclei", parse_stains(""))
    held_out = [image for image in fields if image.held_out][::4]
    scores = score_images(held_out, parse_stains(""), segmenter)["nuclei"]
    assert np.mean([score.average_precision for score in scores]) > 0.8
    assert np.mean([score.f1 for score in scores]) > 0.75


@pytest.mark.parametrize("shape", [(60, 60), (37, 201), (512, 512)])
def test_fields_without_cells_have_none(segmenter, shape):
    generator = np.random.default_rng(0)
    light = np.linspace(0, 3, shape[1])
    for image in (np.zeros(shape, np.uint8), np.full(shape, 77, np.uint16), generator.poisson(20 + light, shape).astype(np.uint16)):
        masks = segmenter({"nuclei": image, "microtubules": image, "reticulum": image})
        assert masks.count == 0
        assert not masks.cells.any()


def test_bits_exposure_and_type_do_not_matter(segmenter, drawn):
    image = drawn[1].image
    expected = segmenter({"nuclei": image[..., 2]}).nuclei
    assert expected.max() > 3
    for other in (image[..., 2].astype(np.uint16) * 16 + 300, image[..., 2].astype(np.float32) / 255):
        found = segmenter({"nuclei": other}).nuclei
        assert match(expected, found, 0.9).average_precision > 0.95


@pytest.mark.parametrize("diameter", [8, 20, 60, 200])
def test_nuclei_of_any_size(segmenter, diameter):
    side = 8 * diameter
    truth = discs((side, side), [(row * diameter, column * diameter, diameter // 2) for row in (2, 4, 6) for column in (2, 4, 6)])
    image = cv2.GaussianBlur((truth > 0).astype(np.float32), (0, 0), diameter / 20)
    assert match(truth, segmenter({"nuclei": image}).nuclei, 0.7).average_precision == 1


def test_one_giant_cell(segmenter):
    truth = discs((300, 400), [(150, 200, 130)])
    image = cv2.GaussianBlur((truth > 0).astype(np.float32), (0, 0), 5)
    masks = segmenter({"nuclei": image, "microtubules": np.ones_like(image), "reticulum": np.ones_like(image)})
    assert masks.count == 1
    assert match(truth, masks.nuclei, 0.7).true_positives == 1
    assert match(truth, segmenter({"nuclei": np.where(truth, 200, 0).astype(np.uint8)}).nuclei, 0.7).true_positives == 1


def test_three_thousand_cells(segmenter):
    """More than one tile; none is cut or counted twice where tiles meet."""
    side, step = 1540, 28
    places = [(row, column, 9) for row in range(14, side - 10, step) for column in range(14, side - 10, step)]
    assert len(places) >= 3000
    assert side > TILE - 2 * MARGIN
    truth = discs_apart(side, places)
    image = cv2.GaussianBlur((truth > 0).astype(np.float32), (0, 0), 1.5)
    found = segmenter({"nuclei": image}).nuclei
    assert match(truth, found, 0.5).average_precision > 0.99


def discs_apart(side, places):
    labels = np.zeros((side, side), np.int32)
    for number, (row, column, radius) in enumerate(places, start=1):
        cv2.circle(labels, (column, row), radius, number, -1)
    return labels


def test_the_scale_can_be_given(segmenter):
    image = field(240, 20, 12)
    assert segmenter({"nuclei": image}, diameter=20).count == 12


def test_the_table_measures_what_the_masks_show():
    nuclei, cells = np.zeros((10, 12), np.uint16), np.zeros((10, 12), np.uint16)
    nuclei[2:4, 3:6], cells[1:6, 2:9] = 1, 1
    nuclei[7:9, 0:2], cells[6:10, 0:4] = 3, 3
    table = cell_table("a", Masks(nuclei, cells))
    assert table.to_dict("list") == {
        "image": ["a", "a"], "cell": [1, 3], "top": [1, 6], "left": [2, 0], "bottom": [6, 10], "right": [9, 4], "area": [35, 16],
        "nucleus_area": [6, 4], "touches_border": [False, True],
    }  # fmt: skip
    alone = cell_table("a", Masks(nuclei, None))
    assert alone["area"].isna().all()
    assert list(alone["right"]) == [6, 2]
    assert len(cell_table("a", Masks(np.zeros_like(nuclei), None))) == 0


def test_crops_are_black_outside_their_cell():
    labels = np.zeros((20, 20), np.uint16)
    labels[5:9, 5:8], labels[5:9, 8:12] = 1, 2
    image = np.full((20, 20), 9, np.uint16)
    cut = dict(crops([image, image], Masks(labels, None)))
    assert sorted(cut) == [1, 2]
    assert cut[1].shape == (8, 7, 2)
    assert cut[1].sum() == 9 * 2 * 12
    assert not cut[1][:, 5:].any()
