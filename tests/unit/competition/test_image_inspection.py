"""Reading the images of unknown folders: naming, channels, missing and damaged files."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from comp.base.errors import DataError
from comp.competition.image_inspection import FoundImages, find_images
from comp.competition.table_inspection import find_tables
from tests.unit.competition.folder import write_tables

RNG = np.random.default_rng(0)


def draw(path: Path, shape: tuple[int, ...] = (20, 30), dtype: type = np.uint8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), RNG.integers(1, np.iinfo(dtype).max, shape, dtype))


def found_in(folder: Path) -> FoundImages | None:
    tables = find_tables(folder)
    return find_images(folder, tables.train_ids, tables.test_ids)


def test_one_file_per_channel(tmp_path: Path) -> None:
    folder = write_tables(tmp_path, "Id,Target\na,1\nb,0\n")
    for split, ids in (("train", "ab"), ("test", ("t1", "t2"))):
        for image_id in ids:
            for channel in ("yellow", "red", "er", "green"):
                draw(folder / split / f"{image_id}_{channel}.png")
    found = found_in(folder)
    assert found is not None
    assert (found.train.folder, found.test.folder, found.train.pattern) == ("train", "test", "{id}_{channel}.png")
    assert found.channels == ("red", "green", "yellow", "er")
    assert (dict(found.samples.formats), dict(found.samples.bits), dict(found.samples.sizes)) == ({"PNG": 16}, {8: 16}, {(30, 20): 4})
    assert found.missing == {"train": [], "test": []}


def test_one_file_with_all_channels_and_numbers_as_ids(tmp_path: Path) -> None:
    rows = "".join(f"{number},cat\n" for number in range(1, 120))
    folder = write_tables(tmp_path, "Id,Target\n" + rows, "Id,Predicted\n" + rows)
    for split, count in (("train", 120), ("test", 118)):
        for number in range(1, count):
            draw(folder / "images" / f"{split}_tiles" / f"img-{number}.tif", (16, 16, 3), np.uint16)
    found = found_in(folder)
    assert found is not None
    assert (found.train.folder, found.test.folder, found.train.pattern) == ("images/train_tiles", "images/test_tiles", "img-{id}.tif")
    assert found.channels == ("red", "green", "blue")
    assert set(found.samples.bits) == {16}
    assert found.missing == {"train": [], "test": ["118", "119"]}


def test_a_folder_for_each_id_and_extensions_in_the_id(tmp_path: Path) -> None:
    folder = write_tables(tmp_path / "folders", "Id,Target\na,1\nb,0\n")
    for image_id in "ab":
        for channel in ("C1", "C2"):
            draw(folder / "train" / image_id / f"{image_id}-{channel}.png")
    found = found_in(folder)
    assert found is not None
    assert (found.train.pattern, found.channels) == ("{id}/{id}-{channel}.png", ("C1", "C2"))
    assert found.missing == {"train": [], "test": ["t1", "t2"]}

    folder = write_tables(tmp_path / "extensions", "Id,Target\na.png,1\nb.png,0\n")
    for image_id in "ab":
        draw(folder / "train" / f"{image_id}.png")
    found = found_in(folder)
    assert found is not None
    assert (found.train.pattern, found.channels) == ("{id}", ("grey",))


def test_missing_files_are_named_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    folder = write_tables(tmp_path, "Id,Target\na,1\nb,0\nc,1\n")
    for image_id in "abc":
        for channel in ("red", "green"):
            draw(folder / "train" / f"{image_id}_{channel}.png")
    (folder / "train" / "b_green.png").unlink()
    found = found_in(folder)
    assert found is not None
    assert found.missing["train"] == ["b"]
    whole = (folder / "train" / "c_red.png").read_bytes()
    (folder / "train" / "c_red.png").write_bytes(whole[:-20])
    with pytest.raises(DataError, match=r"c_red\.png is cut off"):
        found_in(folder)


def test_names_without_a_pattern_are_refused(tmp_path: Path) -> None:
    folder = write_tables(tmp_path, "Id,Target\na,1\nb,0\n")
    for image_id in "ab":
        for name in (f"{image_id}_red", f"green_{image_id}"):
            draw(folder / "train" / f"{name}.png")
    with pytest.raises(DataError, match="follow no pattern"):
        found_in(folder)


@pytest.mark.parametrize("pattern", ["{id}_{channel}.png", "{channel}/{id}.png", "{id}/x_{channel}_1.png", "{channel}_{id}.png"])
@pytest.mark.parametrize("names", [("red", "green", "far_red"), ("red", "far_red"), ("red_1", "green_2", "blue"), ("far_red", "near_blue")])
def test_channels_of_several_words(tmp_path: Path, pattern: str, names: tuple[str, ...]) -> None:
    folder = write_tables(tmp_path, "Id,Target\na,1\nb,0\n")
    for image_id in "ab":
        for name in names:
            draw(folder / "train" / pattern.replace("{id}", image_id).replace("{channel}", name))
    found = found_in(folder)
    assert found is not None
    assert (found.train.pattern, set(found.channels), found.missing["train"]) == (pattern, set(names), [])


def test_a_folder_named_like_another_one_and_more_is_no_channel(tmp_path: Path) -> None:
    folder = write_tables(tmp_path, "Id,Target\na,1\nb,0\n")
    for image_id in "ab":
        for name in ("rgb", "rgb_hq"):
            draw(folder / name / f"{image_id}.png")
    found = found_in(folder)
    assert found is not None
    assert (found.train.folder, found.channels, found.train.left_out) == ("rgb", ("grey",), ("rgb_hq/{id}",))


def test_no_images_is_no_error(tmp_path: Path) -> None:
    folder = write_tables(tmp_path, "Id,Target\na,1\n")
    assert found_in(folder) is None
    draw(folder / "logo.png")
    assert found_in(folder) is None
