"""`make competition` and `make data` on folders whose images lie and are named in many ways: the cache must hold the stored values."""

import unicodedata
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from comp.base.paths import Paths
from comp.competition.competition import load_competition
from comp.deployment.image_folder import files_in_folder
from comp.images.cache import open_cache
from tests.conftest import REPOSITORY, Project

IDS, TEST = ("a1", "b2", "c3", "d4", "e5", "f6"), ("t1", "u2")
STAINS = ("red", "green", "blue", "yellow")
SIZE = 16


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/competitions").symlink_to(REPOSITORY / "configs/competitions")
    return Project(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "given").mkdir()
    return tmp_path / "given"


def tables(folder: Path, ids: tuple[str, ...] = IDS, test: tuple[str, ...] = TEST) -> None:
    (folder / "train.csv").write_text("Id,Target\n" + "".join(f"{name},{row % 3}\n" for row, name in enumerate(ids)))
    (folder / "sample_submission.csv").write_text("Id,Predicted\n" + "".join(f"{name},0\n" for name in test))


def grey(name: str) -> NDArray[np.uint8]:
    """What the image of this id (and channel) shows."""
    return np.random.default_rng(list(name.encode())).integers(1, 256, (SIZE, SIZE), np.uint8)


def draw(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = cv2.imencode(path.suffix.lower(), pixels)[1].tobytes()
    path.write_bytes(encoded)


def images(folder: Path, split: str, pattern: str, ids: tuple[str, ...]) -> None:
    """Files by a pattern of {id}, {c} (a stain), {s} (the first letter of the id) and {split}."""
    for name in ids:
        for stain in STAINS if "{c}" in pattern else ("",):
            path = folder / pattern.replace("{split}", split).replace("{c}", stain).replace("{s}", name[0]).replace("{id}", name)
            draw(path, grey(name + stain))


def understood(project: Project, folder: Path) -> str:
    ended = project.call("competition", "--competition", "found", "--data", str(folder))
    assert ended.returncode == 0, ended.stderr
    return "\n".join(" ".join(line.split()) for line in ended.stdout.splitlines())


def assert_cached(project: Project, ids: tuple[str, ...] = IDS, test: tuple[str, ...] = TEST, channels: tuple[str, ...] = ("",)) -> None:
    ended = project.call("data", "--competition", "found")
    assert ended.returncode == 0, ended.stderr
    for split, names in (("train", ids), ("test", test)):
        cache = open_cache(Paths("found", project.root).cache(split, SIZE))
        assert tuple(cache.ids) == names
        for name, row in zip(names, cache.images, strict=True):
            np.testing.assert_array_equal(row, np.dstack([grey(name + channel) for channel in channels]))


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        ("{split}/{id}.png", "{split}/{id}.png", "train/ and test/, named {id}.png"),
        ("{split}/{s}/{id}.png", "{split}/{s}/{id}.png", "train/ and test/, named **/{id}.png"),
        ("{s}/{id}.png", "{s}/{id}.png", "this folder, named **/{id}.png"),
        ("images/{id}.png", "images/{id}.png", "images/, named {id}.png"),
        ("{id}.png", "{id}.png", "this folder, named {id}.png"),
        ("{split}/{id}.bmp", "{split}/{id}.bmp", "train/ and test/, named {id}.bmp"),
        ("{split}/{id}.png", "{split}/{id}.PNG", "train/ and test/, named {id}.png"),
        ("{split}/{id}.tif", "{split}/{id}.png", "train/ and test/, named {id}.tif and {id}.png"),
        ("{split}/{id}.png", "private/pictures/img_{id}_x.tif", "train/ and private/pictures/, named {id}.png and img_{id}_x.tif"),
        ("stage1_{split}/{id}/images/{id}.png", "stage1_{split}/{id}/images/{id}.png", "named {id}/images/{id}.png"),
        ("{split}/{id}/image.png", "{split}/{id}/image.png", "train/ and test/, named {id}/image.png"),
        (
            "a/deep/{split}/folder/{id}.png",
            "a/deep/{split}/folder/{id}.png",
            "a/deep/train/folder/ and a/deep/test/folder/, named {id}.png",
        ),
    ],
)
def test_one_file_an_id(project: Project, folder: Path, train: str, test: str, said: str) -> None:
    tables(folder)
    images(folder, "train", train, IDS)
    images(folder, "test", test, TEST)
    lines = understood(project, folder)
    assert said in lines
    assert "missing no image" in lines
    assert f"one image {train.replace('{split}', 'train').replace('{s}', 'a').replace('{id}', 'a1')}" in lines
    assert_cached(project)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("{split}/{id}_{c}.png", "train/ and test/, named {id}_{channel}.png"),
        ("{split}/{c}/{id}.png", "train/ and test/, named {channel}/{id}.png"),
        ("{c}/{split}/{id}.png", "this folder, named {channel}/train/{id}.png and {channel}/test/{id}.png"),
        ("{split}/{id}/{c}.png", "train/ and test/, named {id}/{channel}.png"),
        ("{split}/{s}/{id}_{c}.png", "train/ and test/, named **/{id}_{channel}.png"),
    ],
)
def test_one_file_a_channel(project: Project, folder: Path, pattern: str, said: str) -> None:
    tables(folder)
    images(folder, "train", pattern, IDS)
    images(folder, "test", pattern, TEST)
    lines = understood(project, folder)
    assert said in lines
    assert "channels red, green, blue, yellow" in lines
    assert_cached(project, channels=STAINS)


def test_ids_with_slashes(project: Project, folder: Path) -> None:
    ids, test = tuple(f"plate1/{name}" for name in IDS), tuple(f"plate3/{name}" for name in TEST)
    tables(folder, ids, test)
    images(folder, "train", "train/{id}.png", ids)
    images(folder, "test", "test/{id}.png", test)
    assert "one image train/plate1/a1.png" in understood(project, folder)
    assert_cached(project, ids, test)


def test_files_that_are_no_images_of_the_ids_are_skipped(project: Project, folder: Path) -> None:
    tables(folder)
    for split, ids in (("train", IDS), ("test", TEST)):
        images(folder, split, "{split}/{id}.png", ids)
        for name in ids:
            (folder / split / f"._{name}.png").write_bytes(b"\0\5\x16\7" + bytes(60))
            (folder / "__MACOSX" / split).mkdir(parents=True, exist_ok=True)
            (folder / "__MACOSX" / split / f"{name}.png").write_bytes(b"\0\5\x16\7")
        (folder / split / "Thumbs.db").write_bytes(b"x")
    understood(project, folder)
    assert_cached(project)


@pytest.mark.parametrize("ending", [".PNG", ".Png"])
def test_one_file_with_another_case_of_its_ending(project: Project, folder: Path, ending: str) -> None:
    tables(folder)
    images(folder, "train", "train/{id}.png", IDS)
    images(folder, "test", "test/{id}.png", TEST)
    (folder / "train/c3.png").rename(folder / f"train/c3{ending}")
    assert "missing no image" in understood(project, folder)
    assert_cached(project)


def test_mixed_endings(project: Project, folder: Path) -> None:
    tables(folder)
    images(folder, "train", "train/{id}.png", IDS[:4])
    images(folder, "train", "train/{id}.tif", IDS[4:])
    images(folder, "test", "test/{id}.png", TEST)
    assert "named {id}.* and {id}.png" in understood(project, folder)
    assert_cached(project)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_unicode_ids_match_files_in_either_form(project: Project, folder: Path, form: str) -> None:
    ids = tuple(unicodedata.normalize("NFC", f"é{name}") for name in IDS)
    tables(folder, tuple(unicodedata.normalize("NFD" if form == "NFC" else "NFC", name) for name in ids))
    images(folder, "test", "test/{id}.png", TEST)
    for name in ids:
        draw(
            folder / "train" / f"{unicodedata.normalize(form, name)}.png",
            grey(unicodedata.normalize("NFD" if form == "NFC" else "NFC", name)),
        )
    assert "missing no image" in understood(project, folder)
    assert_cached(project, tuple(unicodedata.normalize("NFD" if form == "NFC" else "NFC", name) for name in ids))


def test_masks_beside_the_train_images_are_left_out(project: Project, folder: Path) -> None:
    tables(folder)
    images(folder, "train", "train/{id}_{c}.png", IDS)
    images(folder, "test", "test/{id}_{c}.png", TEST)
    for name in IDS:
        draw(folder / "train" / f"{name}_mask.png", grey("mask"))
        draw(folder / "train" / f"{name}_cells.png", grey("cells"))  # no word that says so, but the test images have none
    lines = understood(project, folder)
    assert "channels red, green, blue, yellow" in lines
    assert "left out files named train/{id}_cells, train/{id}_mask" in lines
    assert_cached(project, channels=STAINS)


def test_copies_in_another_format_and_numbered_channels(project: Project, folder: Path) -> None:
    tables(folder)
    for split, ids in (("train", IDS), ("test", TEST)):
        for name in ids:
            for channel in ("w1", "w2", "w10"):
                draw(folder / split / f"{name}_{channel}.png", grey(name + channel))
                draw(folder / split / f"{name}_{channel}.jpg", grey("copy"))
    lines = understood(project, folder)
    assert "channels w1, w2, w10" in lines
    assert "left out files named train/{id}_{channel}.jpg, test/{id}_{channel}.jpg" in lines
    assert_cached(project, channels=("w1", "w2", "w10"))


def test_the_usual_size_is_taken_and_smaller_images_named(project: Project, folder: Path) -> None:
    tables(folder)
    for split, ids in (("train", IDS), ("test", TEST)):
        for name in ids:
            draw(folder / split / f"{name}.png", np.tile(grey(name), (2, 2)))
    draw(folder / "train/c3.png", np.tile(grey("small"), (2, 2))[:20, :20])
    lines = understood(project, folder)
    assert load_competition("found", project.root).overrides == {"size": 2 * SIZE}
    assert "size 32 x 32 px is the usual one; smaller: c3 (20 x 20 px)" in lines


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("{id}.gif", "has 6 .gif files, such as train/a1.gif, which are not read: convert them to TIFF or PNG"),
        ("{id}.czi", "has 6 .czi files"),
        ("{id}.npy", "has 6 .npy files"),
        ("picture-x{id}x.png", "has 6 image files, such as train/picture-xa1x.png, but none is named after an id"),
    ],
)
def test_images_that_cannot_be_used_are_no_success(project: Project, folder: Path, name: str, said: str) -> None:
    tables(folder)
    (folder / "train").mkdir()
    for image_id in IDS:
        (folder / "train" / name.replace("{id}", image_id)).write_bytes(b"x")
    assert said in project.refused(project.call("competition", "--competition", "found", "--data", str(folder)))


def test_predictions_beside_tables_are_no_images(project: Project, folder: Path) -> None:
    tables(folder)
    for name in ("val", "test", "more"):
        np.save(folder / f"{name}.npy", np.zeros(3))
    assert "images none found: for imported predictions" in understood(project, folder)


def test_two_files_for_one_id_are_named(project: Project, folder: Path) -> None:
    tables(folder)
    images(folder, "train", "train/{s}/{id}.png", IDS)
    images(folder, "test", "test/{s}/{id}.png", TEST)
    understood(project, folder)
    draw(folder / "train/z/a1.png", grey("other"))
    line = project.refused(project.call("data", "--competition", "found"))
    assert "given/train/a/a1.png and" in line
    assert "given/train/z/a1.png both match **/a1.png" in line


@pytest.mark.parametrize(
    ("images_yaml", "said"),
    [
        ({"file": "{id.__class__}.png"}, "may contain {id} and {channel} only"),
        ({"file": "{id!r:>99999999}.png"}, "may contain {id} and {channel} only"),
        ({"file": "{id}{}.png"}, "may contain {id} and {channel} only"),
        ({"file": "{channel}.png"}, "must contain {id}"),
        ({"file": "../{id}.png"}, "below the folder of the images"),
        ({"file": "a*/{id}.png"}, "hold no other *"),
        ({"bits": 17}, "less than or equal to 16"),
        ({"bits": 12, "range": [0, 1]}, "bits or range, not both"),
        ({"range": [1, 0]}, "black below white"),
        ({"range": [0, ".nan"]}, "finite number"),
        ({"channels": ["red", "red"]}, "a name of its own"),
        ({"test_file": "{id}.png"}, "both contain {channel}"),
    ],
)
def test_absurd_values_in_the_yaml_are_refused(project: Project, folder: Path, images_yaml: dict[str, object], said: str) -> None:
    tables(folder)
    (project.root / "configs/local").mkdir()
    values = {"title": "x", "data": str(folder), "classes": ["a", "b", "c"], "images": images_yaml}
    (project.root / "configs/local/found.yaml").write_text(yaml.safe_dump(values).replace("'.nan'", ".nan"))
    assert said in project.refused(project.call("data", "--competition", "found"))


def test_a_channel_may_end_like_another_one(project: Project, folder: Path) -> None:
    tables(folder)
    for split, ids in (("train", IDS), ("test", TEST)):
        images(folder, split, "{split}/{id}_{c}.png", ids)
        for name in ids:
            (folder / split / f"{name}_yellow.png").rename(folder / split / f"{name}_far_red.png")
    assert "channels red, green, blue, far_red" in understood(project, folder)
    found = load_competition("found", project.root).images
    assert found is not None
    new = files_in_folder(folder / "test", found.file, found.channels, "found")
    assert new == {name: [folder / f"test/{name}_{channel}.png" for channel in found.channels] for name in TEST}


def test_used_bits_are_remarked(project: Project, folder: Path) -> None:
    tables(folder)
    for split, ids in (("train", IDS), ("test", TEST)):
        (folder / split).mkdir()
        for name in ids:
            cv2.imwrite(str(folder / split / f"{name}.tif"), grey(name).astype(np.uint16) * 16)
    lines = understood(project, folder)
    assert "in 16 bits: if 4,095 is white, write images: {bits: 12} into the YAML" in lines
    found = load_competition("found", project.root)
    assert found.images is not None
    assert found.images.levels is None
    assert found.images.model_copy(update={"bits": 12}).levels == (0, 4095)
    assert found.images.model_copy(update={"range": (0.5, 2.0)}).levels == (0.5, 2.0)
