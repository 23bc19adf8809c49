"""`make cells` and `make score-cells` as a user types them: folders of every kind, interruptions, and errors on one line."""

import os
import signal
import subprocess
import time

import cv2
import numpy as np
import pandas as pd
import pytest

from comp.cells import segment_folder
from comp.practice.draw import draw_field
from comp.practice.tables import PracticeSpec, draw_tables
from comp.practice.writer import scene

CHANNELS = ("red", "green", "blue", "yellow")


@pytest.fixture(scope="module")
def fields(tmp_path_factory):
    """Six painted fields as Kaggle has them, with true masks in a folder of their own."""
    root = tmp_path_factory.mktemp("fields")
    rows = [row for row in draw_tables(PracticeSpec(train=140, test=1, unshifted=1, seed=6)).to_dict("records") if row["usage"] == "train"]
    for name in ("images", "masks"):
        (root / name).mkdir()
    for number, row in enumerate(rows[:6]):
        drawn = draw_field(scene(row), 128)
        for channel, values in zip(CHANNELS, np.moveaxis(drawn.image, -1, 0), strict=True):
            cv2.imwrite(str(root / f"images/f{number}_{channel}.png"), values)
        cv2.imwrite(str(root / f"masks/f{number}_nuclei.png"), drawn.nuclei)
        cv2.imwrite(str(root / f"masks/f{number}_cells.png"), drawn.cells)
    return root


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_masks_table_sheet_and_crops(project, fields, tmp_path):
    ended = project.call("cells", "--data", str(fields / "images"), "--out", str(tmp_path / "out"), "--crops", "--workers", "1")
    assert ended.returncode == 0, ended.stderr
    out = tmp_path / "out"
    table = pd.read_csv(out / "cells.csv")
    assert f"{len(table):,} cells in 6 images" in ended.stdout
    assert sorted(path.name for path in (out / "masks").iterdir()) == [f"f{n}_{kind}.png" for n in range(6) for kind in ("cells", "nuclei")]
    for number in range(6):
        nuclei, cells = (cv2.imread(str(out / f"masks/f{number}_{kind}.png"), cv2.IMREAD_UNCHANGED) for kind in ("nuclei", "cells"))
        assert nuclei.dtype == cells.dtype == np.uint16
        rows = table[table["image"] == f"f{number}"]
        assert list(rows["cell"]) == list(range(1, nuclei.max() + 1))
        for row in rows.to_dict("records"):
            inside = cells == row["cell"]
            assert row["area"] == inside.sum()
            assert row["nucleus_area"] == (nuclei == row["cell"]).sum()
            places = np.argwhere(inside)
            assert [row["top"], row["left"]] == list(places.min(axis=0))
            assert [row["bottom"], row["right"]] == list(places.max(axis=0) + 1)
    crop = cv2.imread(str(out / "crops/f0_1.png"), cv2.IMREAD_UNCHANGED)
    first = table.iloc[0]
    assert crop.shape[2] == 4
    rows, columns = (slice(max(first[a] - 2, 0), first[b] + 2) for a, b in (("top", "bottom"), ("left", "right")))
    green = cv2.imread(str(fields / "images/f0_green.png"), cv2.IMREAD_UNCHANGED)[rows, columns]
    mask = cv2.imread(str(out / "masks/f0_cells.png"), cv2.IMREAD_UNCHANGED)[rows, columns]
    assert np.array_equal(crop[..., 1], np.where(mask == 1, green, 0))
    assert cv2.imread(str(out / "outlines.png")).shape == (960, 1920, 3)


def test_single_channel_images_of_other_bits_shapes_and_folders(project, fields, tmp_path, monkeypatch):
    monkeypatch.setattr(segment_folder, "FEWEST", 2)  # two processes for four images
    data = tmp_path / "given"
    (data / "deeper").mkdir(parents=True)
    blue = cv2.imread(str(fields / "images/f1_blue.png"), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(data / "plain.png"), blue)
    cv2.imwrite(str(data / "deeper/plain.tif"), blue.astype(np.uint16) * 100)
    cv2.imwrite(str(data / "wide.jpg"), np.hstack([blue, blue[:, :50]]))
    cv2.imwrite(str(data / "empty.png"), np.zeros((40, 70), np.uint8))
    cv2.imwrite(str(data / "plain_labels.png"), np.zeros_like(blue))  # no image of its own
    ended = project.call("cells", "--data", str(data), "--out", str(tmp_path / "out"), "--workers", "2")
    assert ended.returncode == 0, ended.stderr
    masks = {path.name: cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in (tmp_path / "out/masks").iterdir()}
    assert sorted(masks) == ["deeper_plain" + ending(masks), "empty_nuclei.png", "plain_nuclei.png", "wide_nuclei.png"]
    assert np.array_equal(masks["plain_nuclei.png"], masks["deeper_plain" + ending(masks)])
    assert masks["plain_nuclei.png"].max() > 3
    assert masks["wide_nuclei.png"].shape == (128, 178)
    assert not masks["empty_nuclei.png"].any()
    table = pd.read_csv(tmp_path / "out/cells.csv")
    assert set(table["image"]) == {"deeper/plain", "plain", "wide"}
    assert table["area"].isna().all()


def ending(masks):
    """What follows the name of the image in the subfolder."""
    return next(name for name in masks if name.startswith("deeper_plain")).removeprefix("deeper_plain")


def test_channels_of_other_names(project, fields, tmp_path):
    data = tmp_path / "given"
    data.mkdir()
    for name, channel in (("dapi", "blue"), ("tub", "red"), ("w3", "green")):
        (data / f"x_{name}.png").write_bytes((fields / f"images/f2_{channel}.png").read_bytes())
    typed = ("cells", "--data", str(data), "--out", str(tmp_path / "out"), "--workers", "1")
    ended = project.call(*typed, "--stains", "nuclei=dapi microtubules=tub")
    assert ended.returncode == 0, ended.stderr
    assert sorted(path.name for path in (tmp_path / "out/masks").iterdir()) == ["x_cells.png", "x_nuclei.png"]
    assert "holds masks that were made with other settings" in project.refused(project.call(*typed, "--stains", "nuclei=dapi"))


def test_killed_and_started_again_it_ends_with_the_same_files(project, fields, tmp_path):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    assert project.call("cells", "--data", str(fields / "images"), "--out", str(whole), "--workers", "1").returncode == 0
    command = project.command("cells", "--data", str(fields / "images"), "--out", str(resumed), "--workers", "1")
    process = subprocess.Popen(command, cwd=project.root, env=project.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(resumed.glob("masks/*_nuclei.png")):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = {path: path.stat().st_mtime_ns for path in resumed.glob("masks/*_nuclei.png")}
    assert 0 < len(done) < 6
    assert project.call("cells", "--data", str(fields / "images"), "--out", str(resumed), "--workers", "1").returncode == 0
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert contents(resumed) == contents(whole)


def test_damaged_images_are_named_and_the_others_done(project, fields, tmp_path):
    data = tmp_path / "given"
    data.mkdir()
    for path in (fields / "images").iterdir():
        (data / path.name).write_bytes(path.read_bytes())
    (data / "f3_blue.png").write_bytes((data / "f3_blue.png").read_bytes()[:200])
    cv2.imwrite(str(data / "f4_red.png"), np.zeros((20, 20), np.uint8))
    error = project.refused(project.call("cells", "--data", str(data), "--out", str(tmp_path / "out"), "--workers", "1"))
    assert "2 of 6 images cannot be used" in error
    assert "f3_blue.png" in error
    assert "f4_red.png is 20 x 20 px" in error
    assert len(pd.read_csv(tmp_path / "out/unreadable.csv")) == 2
    assert set(pd.read_csv(tmp_path / "out/cells.csv")["image"]) == {"f0", "f1", "f2", "f5"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "somewhere"], "OUT is for the images in a folder"),
        (["--data", "nowhere"], "there is no folder nowhere: correct DATA: a folder of images"),
        (["--data", "configs"], "configs holds no image"),
        (["--data", "IMAGES", "--stains", "nucleus=blue"], "there is no stain 'nucleus': choose from nuclei, microtubules, reticulum"),
        (["--data", "IMAGES", "--stains", "microtubules=red"], "does not name the channel of the nuclei"),
        (["--data", "IMAGES", "--segmenter", "none.safetensors"], "there is no none.safetensors: make it again: make segmenter DATA=dir"),
    ],
)
def test_mistakes_are_one_line(project, fields, arguments, message):
    typed = [str(fields / "images") if each == "IMAGES" else each for each in arguments]
    assert message in project.refused(project.call("cells", *typed))


def test_a_file_that_is_no_segmenter_is_one_line(project, fields):
    (project.root / "other.safetensors").write_bytes(b"{}")
    typed = ("--data", str(fields / "images"), "--segmenter", "other.safetensors", "--out", "out", "--workers", "1")
    assert "other.safetensors is damaged" in project.refused(project.call("cells", *typed))


def test_scores_of_folders_with_true_masks(project, fields):
    ended = project.call("score_cells", "--data", str(fields / "images"), "--masks", str(fields / "masks"))
    assert ended.returncode == 0, ended.stderr
    lines = {line[:30].strip(): line[30:].split() for line in ended.stdout.splitlines()[1:]}
    assert list(lines) == ["segmenter, nuclei", "segmenter, cells", "Otsu and watershed, nuclei", "Otsu and watershed, cells"]
    for numbers in lines.values():
        assert numbers[0] == "6"
    assert float(lines["segmenter, nuclei"][1]) > 0.8
    assert "no image in" in project.refused(project.call("score_cells", "--data", str(fields / "images")))
