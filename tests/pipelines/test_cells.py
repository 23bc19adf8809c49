"""`make cells` and `make score-cells` as a user types them: folders of every kind, interruptions, and errors on one line."""

import os
import signal
import subprocess
import time

import cv2
import numpy as np
import pandas as pd
import pytest
import tifffile

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


@pytest.fixture
def nuclei(fields, tmp_path):
    """A folder of two single-channel images, f1 and f2, and what make cells is typed for it."""
    data = tmp_path / "images"
    data.mkdir()
    for number in (1, 2):
        (data / f"f{number}.png").write_bytes((fields / f"images/f{number}_blue.png").read_bytes())
    return data, ("cells", "--data", str(data), "--out", str(tmp_path / "out"), "--workers", "1")


def test_crops_are_written_later_too_and_only_those_that_lack(project, nuclei, tmp_path):
    data, typed = nuclei
    assert project.call(*typed).returncode == 0
    assert not (tmp_path / "out/crops").exists()
    masks = {path: path.stat().st_mtime_ns for path in (tmp_path / "out/masks").iterdir()}
    assert project.call(*typed, "--crops").returncode == 0
    assert {path: path.stat().st_mtime_ns for path in masks} == masks
    table = pd.read_csv(tmp_path / "out/cells.csv")
    pictures = tmp_path / "out/crops"
    assert sorted(path.name for path in pictures.iterdir()) == sorted(f"{row.image}_{row.cell}.png" for row in table.itertuples())
    image, mask = (cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in (data / "f1.png", tmp_path / "out/masks/f1_nuclei.png"))
    rows, columns = np.nonzero(mask == 1)
    box = np.s_[max(rows.min() - 2, 0) : rows.max() + 3, max(columns.min() - 2, 0) : columns.max() + 3]
    first = cv2.imread(str(pictures / "f1_1.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(first, np.where(mask == 1, image, 0)[box])
    (pictures / "f2_1.png").unlink()  # the last one of an image that is written
    kept = {path: path.stat().st_mtime_ns for path in pictures.glob("f1_*")}
    assert project.call(*typed, "--crops").returncode == 0
    assert (pictures / "f2_1.png").exists()
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_masks_of_an_image_that_has_changed_are_made_again(project, nuclei, fields, tmp_path):
    data, typed = nuclei
    assert project.call(*typed, "--crops").returncode == 0
    masks = tmp_path / "out/masks"
    kept, old = (masks / "f2_nuclei.png").stat().st_mtime_ns, (masks / "f1_nuclei.png").read_bytes()
    empty = np.zeros((128, 128), np.uint8)
    cv2.imwrite(str(data / "f1.png"), empty)
    assert project.call(*typed, "--crops").returncode == 0
    assert not cv2.imread(str(masks / "f1_nuclei.png"), cv2.IMREAD_UNCHANGED).any()
    assert not list((tmp_path / "out/crops").glob("f1_*"))
    assert set(pd.read_csv(tmp_path / "out/cells.csv")["image"]) == {"f2"}
    assert (masks / "f2_nuclei.png").stat().st_mtime_ns == kept
    (data / "f1.png").write_bytes((fields / "images/f1_blue.png").read_bytes())
    assert project.call(*typed, "--crops").returncode == 0
    assert (masks / "f1_nuclei.png").read_bytes() == old


def test_two_images_never_share_a_mask(project, nuclei, tmp_path):
    data, typed = nuclei
    (data / "a").mkdir()
    (data / "f1.png").rename(data / "a/b.png")
    (data / "f2.png").rename(data / "a_b.png")
    assert "the images a/b and a_b would have one mask" in project.refused(project.call(*typed))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int16, np.int32, np.uint32])
def test_crops_of_other_types_keep_the_differences_of_their_pixels(project, nuclei, tmp_path, kind):
    data, typed = nuclei
    for path in list(data.iterdir()):
        values = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        tifffile.imwrite(path.with_suffix(".tif"), values.astype(kind) * (kind(100) if kind in (np.int32, np.uint32) else kind(1)))
        path.unlink()
    ended = project.call(*typed, "--crops")
    assert ended.returncode == 0, ended.stderr
    before = tifffile.imread(data / "f1.tif").astype(float)
    mask = cv2.imread(str(tmp_path / "out/masks/f1_nuclei.png"), cv2.IMREAD_UNCHANGED)
    crop = cv2.imread(str(tmp_path / "out/crops/f1_1.png"), cv2.IMREAD_UNCHANGED)
    assert crop.dtype == np.uint16
    scaled = (before - before.min()) / (before.max() - before.min()) * 65535
    assert crop.max() == pytest.approx(scaled[mask == 1].max(), abs=1)
    assert np.unique(crop[crop > 0]).size == np.unique(np.rint(scaled[(mask == 1) & (scaled >= 0.5)])).size


def test_masks_sheets_and_own_output_are_no_images(project, nuclei):
    data, typed = nuclei
    for name in ("f1_nuclei.png", "f1_cells.png", "f2_labels.png"):
        cv2.imwrite(str(data / name), np.zeros((128, 128), np.uint8))
    inside = (*typed[:3], "--out", str(data / "result"), "--crops", "--workers", "1")
    first, second = project.call(*inside), project.call(*inside)
    assert "left out as masks, crops or sheets: 3 files, such as f1_cells.png" in first.stdout
    assert first.stdout.splitlines()[-1] == second.stdout.splitlines()[-1]
    assert "cells in 2 images" in second.stdout


def test_files_that_are_all_named_nuclei_are_images(project, nuclei):
    data, typed = nuclei
    for path in list(data.iterdir()):
        path.rename(path.with_name(f"{path.stem}_nuclei.png"))
    assert "cells in 2 images" in project.call(*typed).stdout


@pytest.mark.parametrize(
    ("stains", "message"),
    [
        ("nuclei=dapi", "is named after the channel of the nuclei, such as a_dapi.png: correct STAINS"),
        ("nuclei", "STAINS: 'nuclei' is not stain=channel"),
        ("nuclei=", "STAINS: 'nuclei=' is not stain=channel"),
    ],
)
def test_stains_that_no_file_shows_are_one_line(project, nuclei, stains, message):
    assert message in project.refused(project.call(*nuclei[1], "--stains", stains))


def test_names_of_channels_are_taken_as_they_are_typed(project, nuclei):
    data, typed = nuclei
    (data / "f1.png").rename(data / "x_01.png")
    (data / "f2.png").rename(data / "x_02.png")
    ended = project.call(*typed, "--stains", "nuclei=01 microtubules=02")
    assert "cells in 1 images" in ended.stdout, ended.stderr


def test_odd_files_are_one_line(project, nuclei, tmp_path):
    data, typed = nuclei
    tifffile.imwrite(data / "f3.tif", np.full((20, 20), 1e300))
    error = project.refused(project.call(*typed))
    assert "f3.tif holds values beyond 1e+37" in error
    (data / "f3.tif").unlink()
    cv2.imwrite(str(data / "f4_blue.png"), np.zeros((20, 30), np.uint8))
    cv2.imwrite(str(data / "f4_overview.png"), np.zeros((10, 15), np.uint8))
    of_channels = (*typed[:3], "--out", str(tmp_path / "other"), "--crops", "--workers", "1")
    assert "f4_overview.png is 15 x 10 px and " in project.refused(project.call(*of_channels))
    assert (tmp_path / "other/unreadable.csv").exists()
    (data / "f4_overview.png").unlink()
    assert project.call(*of_channels).returncode == 0
    assert not (tmp_path / "other/unreadable.csv").exists()
    cv2.imwrite(str(data / "f4_blue.tif"), np.zeros((20, 30), np.uint8))
    assert "have one name: rename one of them" in project.refused(project.call(*of_channels))
    (data / "f4_blue.tif").unlink()
    os.rename(os.fsencode(data / "f1.png"), os.fsencode(data) + b"/\xff.png")
    assert "holds a file whose name is not UTF-8" in project.refused(project.call(*of_channels))


@pytest.mark.parametrize("shape", [(1, 5000), (5000, 1), (7, 1), (1, 1)])
def test_images_of_one_pixel_a_side(project, nuclei, shape):
    data, typed = nuclei
    generator = np.random.default_rng(0)
    for channel in ("blue", "red"):
        cv2.imwrite(str(data / f"thin_{channel}.png"), generator.integers(0, 256, shape, np.uint8))
    ended = project.call(*typed, "--crops")
    assert ended.returncode == 0, ended.stderr


def test_a_damaged_segmenter_leaves_nothing(project, nuclei, tmp_path, monkeypatch):
    monkeypatch.setattr(segment_folder, "FEWEST", 1)
    (project.root / "other.safetensors").write_bytes(b"{}")
    typed = (*nuclei[1][:-1], "2")
    assert "other.safetensors is damaged" in project.refused(project.call(*typed, "--segmenter", "other.safetensors"))
    assert not (tmp_path / "out").exists()
    assert project.call(*nuclei[1]).returncode == 0
