"""`make gallery`: every recipe, other channels, and errors."""

import cv2
import numpy as np
import pytest

from comp.base import registry
from comp.competition.channel_gallery import ROWS, rows_of_different_labels
from comp.images.pictures import colours

LABELS = np.random.default_rng(0).random((60, 10)) < np.linspace(0.02, 0.5, 10)


def test_every_recipe_is_shown_and_again_the_same(project):
    ended = project.call("gallery", "--competition", "tiny")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"runs/tiny/channels.png: 3 images as {', '.join(registry.names('channels'))} show them\n"
    path = project.root / "runs/tiny/channels.png"
    picture = cv2.imread(str(path))
    assert picture.shape[1] > picture.shape[0] > 300
    assert picture.std() > 10
    before = path.read_bytes()
    assert project.call("gallery", "--competition", "tiny").returncode == 0
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["channels.png"]


def test_recipes_that_do_not_fit_other_channels_are_named(project):
    path = project.root / "configs/competitions/tiny.yaml"
    path.write_text(path.read_text() + "images: {channels: [red, green]}\n")
    ended = project.call("gallery", "--competition", "tiny")
    assert ended.returncode == 0, ended.stderr
    *others, last = ended.stdout.splitlines()
    refusal = "configs/competitions/tiny.yaml: there is no channel 'blue': this competition has red, green"
    assert others == [f"{name} is not shown: {refusal}" for name in registry.names("channels") if name != "pick"]
    assert last == "runs/tiny/channels.png: 3 images as pick shows them"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("images: null\n", "competition tiny has tables and no images: "),
        ("data: data/nowhere\n", "there is no data/nowhere/train.csv: get the data with: make data COMP=tiny"),
    ],
)
def test_mistakes_are_one_line(project, change, message):
    path = project.root / "configs/competitions/tiny.yaml"
    path.write_text(path.read_text().replace("data: data/tiny\n", "") + ("" if "data" in change else "data: data/tiny\n") + change)
    assert message in project.refused(project.call("gallery", "--competition", "tiny"))
    assert not (project.root / "runs/tiny/channels.png").exists()


def test_tables_without_labels_and_damaged_images_are_refused(project):
    table = project.root / "data/tiny/train.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([lines[0], *(line.split(",")[0] + "," for line in lines[1:])]) + "\n")
    assert "no train image of tiny has a label" in project.refused(project.call("gallery", "--competition", "tiny"))
    table.write_text(f"{lines[0]}\nimage-00,0\n")
    (project.root / "data/tiny/train/image-00_green.png").write_bytes(b"")
    assert "image-00_green.png is empty" in project.refused(project.call("gallery", "--competition", "tiny"))


def test_rows_lead_from_the_rarest_label_to_the_most_frequent_without_repeats():
    rows = rows_of_different_labels(LABELS, np.random.default_rng(0))
    count = LABELS.sum(axis=0)
    assert len(set(rows)) == len(rows) == ROWS
    assert LABELS[rows[0], np.flatnonzero(count == count[count > 0].min())].any()
    assert LABELS[rows[-1], count.argmax()]
    assert rows == rows_of_different_labels(LABELS, np.random.default_rng(0))
    assert rows_of_different_labels(np.array([[True, True]]), np.random.default_rng(0)) == [0]
    assert rows_of_different_labels(np.zeros((3, 2), bool), np.random.default_rng(0)) == []


@pytest.mark.parametrize(
    ("grey_values", "rgb"),
    [
        ([7], (7, 7, 7)),
        ([7, 8], (7, 8, 0)),
        ([7, 8, 9], (7, 8, 9)),
        ([7, 200, 9, 100], (107, 255, 9)),
        ([7, 200, 9, 100, 50], (107, 255, 9)),
    ],
)
def test_channels_become_colours(grey_values, rgb):
    images = np.tile(np.array(grey_values, np.uint8), (2, 3, 4, 1))
    np.testing.assert_array_equal(colours(images), np.tile(np.array(rgb, np.uint8), (2, 3, 4, 1)))
