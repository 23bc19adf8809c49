"""Whole images: determinism, sizes, masks, and what images of one antibody or well have in common."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from comp.practice.catalogue import CELL_LINES
from comp.practice.draw import Drawn, Scene, draw_field

SCENE = Scene((0, 7), "U-2 OS", antibody=11, well=12, field=13, take=14)


def correlation(one: NDArray[np.uint8], two: NDArray[np.uint8]) -> float:
    return float(np.corrcoef(one.ravel(), two.ravel())[0, 1])


@pytest.mark.parametrize("size", [32, 100, 128, 512])
def test_any_size(size: int) -> None:
    drawn = draw_field(SCENE, size)
    assert drawn.image.shape == (size, size, 4)
    assert drawn.image.dtype == np.uint8
    assert drawn.nuclei.shape == drawn.cells.shape == (size, size)
    assert drawn.nuclei.dtype == drawn.cells.dtype == np.uint16


def test_largest_size_shows_the_same_cells_finer() -> None:
    large, small = draw_field(SCENE, 2048), draw_field(SCENE, 128)
    reduced = cv2.resize(large.image, (128, 128), interpolation=cv2.INTER_AREA)
    for channel in (0, 2, 3):
        assert correlation(reduced[..., channel], small.image[..., channel]) > 0.85
    nuclei = large.nuclei[8::16, 8::16]
    assert (nuclei == small.nuclei).mean() > 0.97
    assert large.image[..., 0].std() > reduced[..., 0].std()


def test_same_scene_same_bytes() -> None:
    one, two = draw_field(SCENE, 128), draw_field(SCENE, 128)
    assert one.image.tobytes() == two.image.tobytes()
    assert one.cells.tobytes() == two.cells.tobytes()


@pytest.mark.parametrize("line", CELL_LINES)
def test_masks_agree_with_the_image(line: str) -> None:
    for field in range(3):
        drawn = draw_field(Scene((25,), line, 1, 2 + field, 3 + field, 4), 256)
        nuclei, cells = drawn.nuclei > 0, drawn.cells > 0
        assert (drawn.nuclei[nuclei] == drawn.cells[nuclei]).all()
        blue, red = drawn.image[..., 2].astype(float), drawn.image[..., 0].astype(float)
        assert blue[nuclei].mean() > 5 * blue[~nuclei].mean()
        assert red[cells & ~nuclei].mean() > 3 * max(red[~cells].mean() if (~cells).any() else 0, 0.1)
        assert 0.05 < nuclei.mean() < cells.mean() <= 1
        assert np.unique(drawn.nuclei[nuclei]).size >= 3


def test_otsu_on_blue_finds_the_nuclei() -> None:
    """An independent segmentation agrees with the mask."""
    overlaps = []
    for field in range(6):
        drawn = draw_field(replace(SCENE, field=field), 256)
        blue = cv2.GaussianBlur(drawn.image[..., 2], (0, 0), 1.0)
        _, found = cv2.threshold(blue, 0, 255, cv2.THRESH_OTSU)
        both, either = ((drawn.nuclei > 0) & (found > 0)).sum(), ((drawn.nuclei > 0) | (found > 0)).sum()
        overlaps.append(both / either)
    assert np.mean(overlaps) > 0.7


def test_near_duplicates_show_the_same_cells_moved() -> None:
    copy = draw_field(replace(SCENE, take=99, moved=(4.0, -3.0)), 128)
    original = draw_field(SCENE, 128)
    assert original.image.tobytes() != copy.image.tobytes()
    pixels = np.rint(np.array([4.0, -3.0]) * 128 / 138).astype(int)
    back = np.roll(copy.image, (pixels[1], pixels[0]), axis=(0, 1))[8:-8, 8:-8]
    for channel in range(4):
        assert correlation(original.image[8:-8, 8:-8, channel], back[..., channel]) > 0.75
    assert correlation(original.image[..., 2], draw_field(replace(SCENE, field=5), 128).image[..., 2]) < 0.4


def summary(drawn: Drawn) -> NDArray[np.float64]:
    """What a look at an image tells about its staining and exposure: brightness and texture of each channel."""
    image = drawn.image.astype(float)
    fine = image - cv2.GaussianBlur(image, (0, 0), 1.5)
    levels = np.concatenate([image.mean((0, 1)), np.quantile(image, 0.98, (0, 1)), fine.std((0, 1))])
    return np.log(levels + 1)


def test_images_of_one_antibody_look_alike_and_of_one_well_more() -> None:
    """Distances between summaries: within a well < within an antibody < between antibodies of the same labels."""
    within_well, within_antibody, between = [], [], []
    lines = list(CELL_LINES)
    for seed in range(12):
        one = Scene((0, 23), lines[seed], 100 + seed, 200 + seed, 300 + seed, 400 + seed)
        near = summary(draw_field(one, 64))
        well = replace(one, field=500 + seed, take=600 + seed)
        antibody = replace(well, well=700 + seed, cell_line=lines[(seed + 5) % 12])
        within_well.append(np.linalg.norm(near - summary(draw_field(well, 64))))
        within_antibody.append(np.linalg.norm(near - summary(draw_field(antibody, 64))))
        between.append(np.linalg.norm(near - summary(draw_field(replace(antibody, antibody=800 + seed), 64))))
    assert np.mean(within_well) < 0.7 * np.mean(within_antibody)
    assert np.mean(within_antibody) < np.mean(between)


def test_faint_protein_is_almost_invisible() -> None:
    bright, faint = draw_field(SCENE, 128).image, draw_field(replace(SCENE, faint=True), 128).image
    assert np.quantile(faint[..., 1], 0.99) < 20 < np.quantile(bright[..., 1], 0.99)
    assert np.quantile(faint[..., 2], 0.9) > 50
