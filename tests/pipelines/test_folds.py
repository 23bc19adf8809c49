"""`make folds` lists near-duplicates among the train and among the test images, and lives without the latter."""

import shutil

import cv2
import numpy as np
import pandas as pd
import pytest

from comp import twins
from comp.paths import Paths
from tests.conftest import CHANNELS

TEST_IDS = [f"image-{number:02d}" for number in range(36, 42)]


@pytest.fixture
def blobs(project):
    """The tiny competition with images that can be told apart, two of the test images retaken."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:160, :160]
    for part in ("train", "test"):
        for file in sorted((project.root / "data/tiny" / part).glob("*_red.png")):
            field = sum(np.exp(-(((y - a) ** 2 + (x - b) ** 2) / r**2)) for a, b, r in rng.uniform([0, 0, 5], [160, 160, 14], (25, 3)))
            write(file, (70 * field).clip(0, 255))
    first = cv2.imread(str(project.root / "data/tiny/test/image-37_red.png"), cv2.IMREAD_GRAYSCALE)
    write(project.root / "data/tiny/test/image-40_red.png", np.roll(first * 0.8, (4, -3), (0, 1)))
    return project


def write(file, plane):
    for channel in CHANNELS:
        assert cv2.imwrite(str(file).replace("red", channel), plane.astype(np.uint8))


def folds(project, *more):
    return project.call("folds", "--competition", "tiny", *more)


def table(project):
    return project.root / "data/tiny.cache/test-duplicates.csv"


def test_near_duplicates_among_the_test_images_are_listed(blobs):
    ended = folds(blobs)
    assert ended.returncode == 0, ended.stderr
    assert "near-duplicates: 0 pairs, which will share folds" in ended.stdout
    assert "near-duplicates among test images: 1 pairs, listed in data/tiny.cache/test-duplicates.csv" in ended.stdout
    assert pd.read_csv(table(blobs))[["id_a", "id_b"]].to_numpy().tolist() == [["image-37", "image-40"]]
    found = twins.test_duplicates(Paths("tiny", blobs.root), TEST_IDS)
    assert found[1] == found[4]
    assert len(set(found.tolist())) == 5


def test_a_map_that_exists_stays_and_the_missing_list_is_made(blobs):
    assert folds(blobs).returncode == 0
    before = (blobs.root / "oof/tiny/folds.csv").read_bytes()
    table(blobs).unlink()
    ended = folds(blobs)
    assert "exists and stays" in ended.stdout
    assert "near-duplicates among test images: 1 pairs" in ended.stdout
    assert (blobs.root / "oof/tiny/folds.csv").read_bytes() == before
    assert "near-duplicates" not in folds(blobs).stdout


def test_a_given_map_gets_the_list_too(blobs):
    ids = pd.read_csv(blobs.root / "data/tiny/train.csv")["Id"]
    pd.DataFrame({"id": ids, "fold": np.arange(36) % 3, "group": ids}).to_csv(blobs.root / "mine.csv", index=False)
    ended = folds(blobs, "--file", "mine.csv")
    assert ended.returncode == 0, ended.stderr
    assert "near-duplicates among test images: 1 pairs" in ended.stdout


def test_a_damaged_test_image_keeps_nobody_from_folds(blobs):
    (blobs.root / "data/tiny/test/image-39_blue.png").write_bytes(b"no image")
    ended = folds(blobs)
    assert ended.returncode == 0, ended.stderr
    assert "near-duplicates among test images: not looked for, 1 of 6 images cannot be used: " in ended.stdout
    assert (blobs.root / "oof/tiny/folds.csv").exists()
    assert not table(blobs).exists()


def test_no_test_images_keep_nobody_from_folds(blobs):
    shutil.rmtree(blobs.root / "data/tiny/test")
    ended = folds(blobs)
    assert ended.returncode == 0, ended.stderr
    assert "near-duplicates among test images: not looked for, 6 of 6 images cannot be used" in ended.stdout


def test_competitions_that_want_no_near_duplicates_get_no_list(blobs):
    path = blobs.root / "configs/competitions/tiny.yaml"
    path.write_text(path.read_text().replace("count: 3", "count: 3, duplicates: false"))
    ended = folds(blobs)
    assert ended.returncode == 0, ended.stderr
    assert "near-duplicates" not in ended.stdout
    assert not table(blobs).exists()
