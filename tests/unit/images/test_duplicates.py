"""Near-duplicates are found, different images are not: on drawn fields, on real images, on the practice competition's truth."""

import os
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from comp.base.errors import DataError
from comp.images.duplicates import aligned_correlation, components, find_duplicates, perceptual_hashes, read_pairs
from comp.practice.draw import draw_field
from comp.practice.tables import PracticeSpec, draw_tables
from comp.practice.writer import scene

Images = NDArray[np.uint8]


def blobs(count: int, channels: int = 4, side: int = 160, seed: int = 0) -> Images:
    """Fields of round cells at random places, each channel another part of them."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    fields = np.zeros((count, side, side, channels))
    for field in fields:
        for _ in range(25):
            (cy, cx), radius = rng.uniform(0, side, 2), rng.uniform(5, 14)
            cell = np.exp(-(((y - cy) ** 2 + (x - cx) ** 2) / radius**2))
            field += cell[..., None] * rng.uniform(20, 90, channels)
    return fields.clip(0, 255).astype(np.uint8)


def retaken(field: Images, rng: np.random.Generator, size: int, share: float) -> Images:
    """The field cut out up to `share` of its width off the centre, with other exposure and noise, at `size` pixels."""
    side = round(len(field) / (1 + 2 * share))
    top, left = rng.integers(0, len(field) - side + 1, 2)
    small = cv2.resize(field[top : top + side, left : left + side], (size, size), interpolation=cv2.INTER_AREA)
    noise = rng.normal(0, rng.uniform(0, 5), (size, size, field.shape[-1]))
    return (small.reshape(noise.shape) * rng.uniform(0.6, 1.5) + noise).clip(0, 255).astype(np.uint8)


def found(images: Images, ids: list[str]) -> set[tuple[str, str]]:
    pairs = find_duplicates(images, ids)
    return {(min(pair), max(pair)) for pair in zip(pairs["id_a"], pairs["id_b"], strict=True)}


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_retaken_fields_are_found_and_nothing_else(channels: int) -> None:
    rng = np.random.default_rng(1)
    fields = blobs(60, channels)
    copies = [retaken(field, rng, 96, 0.04) for field in [*fields, *fields[:20]]]
    ids = [f"field-{number:02d}" for number in range(60)] + [f"again-{number:02d}" for number in range(20)]
    assert found(np.stack(copies), ids) == {(f"again-{number:02d}", f"field-{number:02d}") for number in range(20)}


def test_real_images_retaken_are_found_and_nothing_else() -> None:
    if "HPA_SHARED" not in os.environ:
        pytest.skip("HPA_SHARED is not set: no real images")
    greens = sorted(Path(os.environ["HPA_SHARED"], "hpa-sample", "train").glob("*_green.png"))
    files = [[str(path).replace("_green", f"_{colour}") for colour in ("red", "green", "blue", "yellow")] for path in greens]
    fields = [np.dstack([cv2.imread(file, cv2.IMREAD_GRAYSCALE) for file in four]) for four in files]
    assert len(fields) == 54
    rng = np.random.default_rng(0)
    images = np.stack([retaken(field, rng, 128, 0.03) for field in fields for _ in range(2)])
    ids = [f"{number:02d}{copy}" for number in range(54) for copy in "ab"]
    assert found(images, ids) == {(f"{number:02d}a", f"{number:02d}b") for number in range(54)}


def test_the_practice_competitions_truth_is_found(tmp_path: Path) -> None:
    table = draw_tables(PracticeSpec(train=90, test=1, unshifted=1, size=64, groups_per_class=1, near_duplicates=0.3))
    table = table[table["usage"] == "train"]
    images = np.lib.format.open_memmap(tmp_path / "images.npy", "w+", np.uint8, (len(table), 64, 64, 4))
    for number, row in enumerate(table.to_dict("records")):
        images[number] = draw_field(scene(row), 64).image
    ids = table["id"].tolist()
    truth = {
        (min(one, other), max(one, other)) for _, copies in table.groupby("field_seed")["id"] for one, other in combinations(copies, 2)
    }
    assert len(truth) >= 15
    assert found(images, ids) == truth
    same = components(ids, find_duplicates(images, ids))
    assert pd.Series(same).groupby(table["field_seed"].to_numpy()).nunique().max() == 1
    assert len(set(same)) == table["field_seed"].nunique()


def test_blank_images_are_no_duplicates() -> None:
    images = np.concatenate([np.zeros((3, 64, 64, 2), np.uint8), np.full((2, 64, 64, 2), 9, np.uint8), blobs(2, 2, 64)])
    assert found(images, list("abcdefg")) == set()
    assert aligned_correlation(images[0], images[5]) == 0


def test_uneven_illumination_alone_makes_no_duplicates() -> None:
    light = np.exp(-((np.mgrid[:96, :96] - 40) ** 2).sum(0) / 60**2)[..., None]
    images = np.stack([(60 * light + 0.5 * field * light).astype(np.uint8) for field in blobs(40, 2, 96)])
    assert found(images, [str(number) for number in range(40)]) == set()


def test_a_channel_that_is_dark_or_pure_noise_does_not_hide_a_duplicate() -> None:
    rng = np.random.default_rng(0)
    fields = blobs(20)
    copies = np.stack([retaken(field, rng, 96, 0.03) for field in [*fields, *fields]])
    copies[..., 1] = rng.poisson(2, copies.shape[:-1])
    copies[..., 3] = 0
    ids = [f"{letter}{number:02d}" for letter in "ab" for number in range(20)]
    assert found(copies, ids) == {(f"a{number:02d}", f"b{number:02d}") for number in range(20)}


def test_the_correlation_is_that_of_the_shifted_overlap() -> None:
    field = blobs(1, 1, 128)[0]
    for down, right in ((0, 0), (12, -6), (-8, 10)):
        moved = np.roll(field, (down, right), (0, 1))
        assert aligned_correlation(field, moved) > 0.9
    assert aligned_correlation(field, np.roll(field, 44, 0)) < 0.5  # beyond a quarter of the width
    assert aligned_correlation(field, 255 - field) < 0.5


def test_hashes_do_not_depend_on_what_is_hashed_with_them() -> None:
    images = blobs(5, 3, 64)
    many = perceptual_hashes(np.concatenate([images] * 130))  # 650 images, more than one block
    assert many.shape == (650, 4)
    assert (many.reshape(130, 5, 4) == perceptual_hashes(images)).all()


def test_components_of_chains() -> None:
    pairs = pd.DataFrame({"id_a": ["c", "d", "f"], "id_b": ["b", "c", "e"]})
    assert components(list("fedcba"), pairs) == ["e", "e", "b", "b", "b", "a"]
    assert components(["y", "x"], find_duplicates(blobs(2), ["y", "x"])) == ["y", "x"]


def test_a_list_of_other_images_is_refused() -> None:
    with pytest.raises(DataError, match=r"id z of the list of near-duplicates"):
        components(["a", "b"], pd.DataFrame({"id_a": ["a"], "id_b": ["z"]}))
    with pytest.raises(ValueError, match="2 images for 3 ids"):
        find_duplicates(blobs(2), ["a", "b", "c"])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\0",
        b"no table",
        b"id_a,id_b,bits\na,b",
        b"id_a,id_b\na",
        b"id_a,id_b\na,b,c,d\ne,f\n",
        b"id_a,id_b\na,\xff\n",
        b"id_a,id_b\na,b\0\n",
        b'id_a,id_b\na,"b\n',
    ],
)
def test_a_damaged_list_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pairs.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"pairs\.csv (cannot be read as CSV|has no column|is damaged).*: type this") as refused:
        read_pairs(tmp_path / "pairs.csv", "type this")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_something_else_in_place_of_a_list_is_refused_at_once(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "pairs.csv")
    with pytest.raises(DataError, match=r"pairs\.csv cannot be read \(.*\): type this"):
        read_pairs(tmp_path / "pairs.csv", "type this")


def test_a_list_made_by_hand_needs_two_columns_only(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("id_b,id_a\nNA,null")
    assert read_pairs(tmp_path / "pairs.csv", "").to_dict("list") == {"id_b": ["NA"], "id_a": ["null"]}
