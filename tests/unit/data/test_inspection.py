"""Reading of unknown folders: naming, channels, tokens, groups."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from comp.data.inspection import find_groups, find_images, find_tables, find_tokens
from comp.errors import DataError

RNG = np.random.default_rng(0)


def tables(folder: Path, train: str, test: str = "Id,Predicted\nt1,0\nt2,0\n") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "train.csv").write_text(train)
    (folder / "sample_submission.csv").write_text(test)
    return folder


def draw(path: Path, shape: tuple[int, ...] = (20, 30), dtype: type = np.uint8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), RNG.integers(1, np.iinfo(dtype).max, shape, dtype))


def test_columns_and_file_names_of_another_competition(tmp_path: Path) -> None:
    tables(tmp_path, "image,split,labels\na,x,rust scab\nb,y,healthy\n").joinpath("sample_submission.csv").unlink()
    (tmp_path / "SampleSubmission_v2.csv").write_text("image,labels\nt1,healthy\n")
    found = find_tables(tmp_path)
    assert (found.id_column, found.target_column, found.predicted_column) == ("image", "labels", "labels")
    assert (found.train_file, found.test_file) == ("train.csv", "SampleSubmission_v2.csv")
    assert (found.train_ids, found.test_ids) == (("a", "b"), ("t1",))
    assert find_tokens(found) == ("healthy", "rust", "scab")


def test_numbers_are_ordered_as_numbers(tmp_path: Path) -> None:
    assert find_tokens(find_tables(tables(tmp_path, "Id,Target\na,10 9\nb,2\nc,\n"))) == ("2", "9", "10")


@pytest.mark.parametrize(
    ("train", "problem"),
    [
        ("Id,Target\na,1\na,2\n", r"train\.csv: id a appears twice"),
        ("name,Target\na,1\n", r"train\.csv has no column 'Id'"),
        ("Id,cat,dog,cow\na,1,0,0\n", r"train\.csv has the columns cat, dog, cow"),
        ("", r"train\.csv cannot be read as CSV"),
    ],
)
def test_tables_that_do_not_fit(tmp_path: Path, train: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        find_tables(tables(tmp_path, train))


def test_missing_tables_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder"):
        find_tables(tmp_path / "nowhere")
    (tmp_path / "labels.csv").write_text("Id,Target\n")
    with pytest.raises(DataError, match=r"has no train\.csv: its tables are labels\.csv"):
        find_tables(tmp_path)
    (tmp_path / "train.csv").write_text("Id,Target\na,1\n")
    with pytest.raises(DataError, match=r"has no sample_submission\.csv"):
        find_tables(tmp_path)


@pytest.mark.parametrize("mark", ["|", ";", ","])
def test_labels_not_separated_by_spaces_are_refused(tmp_path: Path, mark: str) -> None:
    with pytest.raises(DataError, match="id b has labels with"):
        find_tokens(find_tables(tables(tmp_path, f'Id,Target\na,1\nb,"1{mark}2"\n')))


def test_one_file_a_channel(tmp_path: Path) -> None:
    folder = tables(tmp_path, "Id,Target\na,1\nb,0\n")
    for part, ids in (("train", "ab"), ("test", ("t1", "t2"))):
        for image_id in ids:
            for channel in ("yellow", "red", "er", "green"):
                draw(folder / part / f"{image_id}_{channel}.png")
    found = find_images(folder, find_tables(folder))
    assert found is not None
    assert (found.train_folder, found.test_folder, found.pattern) == ("train", "test", "{id}_{channel}.png")
    assert found.channels == ("red", "green", "yellow", "er")
    assert (dict(found.formats), dict(found.bits), dict(found.sizes)) == ({"PNG": 16}, {8: 16}, {(30, 20): 4})
    assert found.missing == {"train": [], "test": []}


def test_one_file_with_all_channels_and_numbers_as_ids(tmp_path: Path) -> None:
    rows = "".join(f"{number},cat\n" for number in range(1, 120))
    folder = tables(tmp_path, "Id,Target\n" + rows, "Id,Predicted\n" + rows)
    for part, count in (("train", 120), ("test", 118)):
        for number in range(1, count):
            draw(folder / "images" / f"{part}_tiles" / f"img-{number}.tif", (16, 16, 3), np.uint16)
    found = find_images(folder, find_tables(folder))
    assert found is not None
    assert (found.train_folder, found.test_folder, found.pattern) == ("images/train_tiles", "images/test_tiles", "img-{id}.tif")
    assert found.channels == ("red", "green", "blue")
    assert set(found.bits) == {16}
    assert found.missing == {"train": [], "test": ["118", "119"]}


def test_a_folder_for_each_id_and_extensions_in_the_id(tmp_path: Path) -> None:
    folder = tables(tmp_path / "folders", "Id,Target\na,1\nb,0\n")
    for image_id in "ab":
        for channel in ("C1", "C2"):
            draw(folder / "train" / image_id / f"{image_id}-{channel}.png")
    found = find_images(folder, find_tables(folder))
    assert found is not None
    assert (found.pattern, found.channels) == ("{id}/{id}-{channel}.png", ("C1", "C2"))
    assert found.missing == {"train": [], "test": ["t1", "t2"]}

    folder = tables(tmp_path / "extensions", "Id,Target\na.png,1\nb.png,0\n")
    for image_id in "ab":
        draw(folder / "train" / f"{image_id}.png")
    found = find_images(folder, find_tables(folder))
    assert found is not None
    assert (found.pattern, found.channels) == ("{id}", ("grey",))


def test_missing_files_are_named_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    folder = tables(tmp_path, "Id,Target\na,1\nb,0\nc,1\n")
    for image_id in "abc":
        for channel in ("red", "green"):
            draw(folder / "train" / f"{image_id}_{channel}.png")
    (folder / "train" / "b_green.png").unlink()
    found = find_images(folder, find_tables(folder))
    assert found is not None
    assert found.missing["train"] == ["b"]
    whole = (folder / "train" / "c_red.png").read_bytes()
    (folder / "train" / "c_red.png").write_bytes(whole[:-20])
    with pytest.raises(DataError, match=r"c_red\.png is cut off"):
        find_images(folder, find_tables(folder))


def test_names_without_a_pattern_are_refused(tmp_path: Path) -> None:
    folder = tables(tmp_path, "Id,Target\na,1\nb,0\n")
    for image_id in "ab":
        for name in ("red_1", "green_2", "blue"):
            draw(folder / "train" / f"{image_id}_{name}.png")
    with pytest.raises(DataError, match="follow no pattern"):
        find_images(folder, find_tables(folder))


def test_no_images_is_no_error(tmp_path: Path) -> None:
    folder = tables(tmp_path, "Id,Target\na,1\n")
    assert find_images(folder, find_tables(folder)) is None
    draw(folder / "logo.png")
    assert find_images(folder, find_tables(folder)) is None


def test_groups(tmp_path: Path) -> None:
    folder = tables(tmp_path, "Id,Target\na,1\nb,0\nc,1\n")
    assert find_groups(folder, find_tables(folder)) is None
    (folder / "answers.csv").write_text("Id,Target\na,1\nb,0\nc,1\n")
    (folder / "some.csv").write_text("Id,antibody\na,x\nb,x\n")
    (folder / "unique.csv").write_text("Id,note\na,1\nb,2\nc,3\n")
    assert find_groups(folder, find_tables(folder)) is None
    (folder / "extra.csv").write_text("name,cell,well,antibody\nc,u,1,x\na,u,2,x\nb,v,2,y\nz,v,7,q\n")
    found = find_groups(folder, find_tables(folder))
    assert found is not None
    assert (found.file, found.id_column, found.column, found.count) == ("extra.csv", "name", "antibody", 2)


def test_a_group_column_of_the_train_table_needs_a_telling_name(tmp_path: Path) -> None:
    folder = tables(tmp_path, "Id,Target,colour,patient\na,1,x,p\nb,0,x,p\nc,1,y,q\n")
    found = find_groups(folder, find_tables(folder))
    assert found is not None
    assert (found.file, found.column, found.count) == ("train.csv", "patient", 2)
