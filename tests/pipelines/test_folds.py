"""`make folds` as typed: hold-outs, given maps, lists of near-duplicates, damaged test images, two processes."""

import os
import re
import shutil
import subprocess

import cv2
import numpy as np
import pandas as pd
import pytest

from comp.base.locks import lock
from comp.base.paths import Paths
from comp.folds.fold_map import FoldMap
from comp.predictions.prediction_file import read_predictions
from comp.stacking import test_duplicates
from tests.tiny_competition import CHANNELS

TEST_IDS = [f"image-{number:02d}" for number in range(36, 42)]


@pytest.fixture
def blobs(project):
    """The tiny competition with images that differ; one test image is a shifted, darker copy of another."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:160, :160]
    for split in ("train", "test"):
        for file in sorted((project.root / "data/tiny" / split).glob("*_red.png")):
            field = sum(np.exp(-(((y - a) ** 2 + (x - b) ** 2) / r**2)) for a, b, r in rng.uniform([0, 0, 5], [160, 160, 14], (25, 3)))
            write(file, (70 * field).clip(0, 255))
    first = cv2.imread(str(project.root / "data/tiny/test/image-37_red.png"), cv2.IMREAD_GRAYSCALE)
    write(project.root / "data/tiny/test/image-40_red.png", np.roll(first * 0.8, (4, -3), (0, 1)))
    return project


def write(file, channel_image):
    for channel in CHANNELS:
        assert cv2.imwrite(str(file).replace("red", channel), channel_image.astype(np.uint8))


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
    found = test_duplicates.test_duplicates(Paths("tiny", blobs.root), TEST_IDS)
    assert found[1] == found[4]
    assert len(set(found.tolist())) == 5


def test_an_existing_map_stays_and_the_missing_list_is_made(blobs):
    assert folds(blobs).returncode == 0
    before = (blobs.root / "oof/tiny/folds.csv").read_bytes()
    table(blobs).unlink()
    ended = folds(blobs)
    assert "exists and stays" in ended.stdout
    assert "near-duplicates among test images: 1 pairs" in ended.stdout
    assert (blobs.root / "oof/tiny/folds.csv").read_bytes() == before
    assert "near-duplicates among test images" not in folds(blobs).stdout


def test_a_given_map_gets_the_list_too(blobs):
    ids = pd.read_csv(blobs.root / "data/tiny/train.csv")["Id"]
    pd.DataFrame({"id": ids, "fold": np.arange(36) % 3, "group": ids}).to_csv(blobs.root / "mine.csv", index=False)
    ended = folds(blobs, "--file", "mine.csv")
    assert ended.returncode == 0, ended.stderr
    assert "near-duplicates among test images: 1 pairs" in ended.stdout


def test_a_damaged_test_image_does_not_prevent_folds(blobs):
    (blobs.root / "data/tiny/test/image-39_blue.png").write_bytes(b"no image")
    ended = folds(blobs)
    assert ended.returncode == 0, ended.stderr
    assert "near-duplicates among test images: not looked for, 1 of 6 images cannot be used: " in ended.stdout
    assert (blobs.root / "oof/tiny/folds.csv").exists()
    assert not table(blobs).exists()


def test_missing_test_images_do_not_prevent_folds(blobs):
    shutil.rmtree(blobs.root / "data/tiny/test")
    ended = folds(blobs)
    assert ended.returncode == 0, ended.stderr
    assert "near-duplicates among test images: not looked for, 6 of 6 images cannot be used" in ended.stdout


def test_no_list_with_duplicates_false(blobs):
    path = blobs.root / "configs/competitions/tiny.yaml"
    path.write_text(path.read_text().replace("count: 3", "count: 3, duplicates: false"))
    ended = folds(blobs)
    assert ended.returncode == 0, ended.stderr
    assert "near-duplicates" not in ended.stdout
    assert not table(blobs).exists()


def share_of(project, number):
    """The rows of one fold in the tiny competition's map, the class counts of all images, and those of this fold."""
    train = pd.read_csv(project.root / "data/tiny/train.csv", dtype=str, keep_default_na=False)
    table = pd.read_csv(project.root / "oof/tiny/folds.csv").set_index("id").loc[train["Id"]]
    labels = np.array([[str(label) in target.split() for label in range(3)] for target in train["Target"]])
    return table[table["fold"] == number], labels.sum(axis=0), labels[table["fold"] == number].sum(axis=0)


def test_a_hold_out_has_its_share_of_whole_groups_and_of_every_label(blobs):
    ended = folds(blobs, "--holdout", "0.25")
    assert ended.returncode == 0, ended.stderr
    assert "making oof/tiny/folds.csv: 3 folds of 36 images, 0.25 of them kept as hold-out" in ended.stdout
    held, everywhere, in_it = share_of(blobs, -1)
    assert len(held) == 9
    assert (abs(in_it - 0.25 * everywhere) <= 2).all()
    every = pd.read_csv(blobs.root / "oof/tiny/folds.csv")
    assert set(every.loc[every["fold"] != -1, "group"]).isdisjoint(held["group"])
    assert set(every["fold"]) == {-1, 0, 1, 2}
    header, *lines = [line.split() for line in ended.stdout.splitlines() if line.startswith(("class", "round", "bright", "striped"))]
    assert header[-3:] == ["hold-out", "off", "by"]
    assert [int(line[-2]) for line in lines] == in_it.tolist()


def test_a_hold_out_changes_the_fingerprint_and_overrides_the_yaml(blobs):
    path = blobs.root / "configs/competitions/tiny.yaml"
    path.write_text(path.read_text().replace("count: 3", "count: 3, holdout: 0.25"))
    found = {}
    for share in (None, "0", "0.5"):
        assert folds(blobs, *(("--holdout", share) if share else ())).returncode == 0
        found[share] = (len(share_of(blobs, -1)[0]), FoldMap.read(blobs.root / "oof/tiny/folds.csv").fingerprint)
        (blobs.root / "oof/tiny/folds.csv").unlink()
    assert [held for held, _ in found.values()] == [9, 0, 18]
    assert len({fingerprint for _, fingerprint in found.values()}) == 3


def test_a_fold_trained_with_a_hold_out_predicts_it(project):
    assert folds(project, "--holdout", "0.25").returncode == 0
    before = (project.root / "oof/tiny/folds.csv").read_bytes()
    ended = project.call("fold", "--competition", "tiny", "--model", "tiny", "--fold", "0")
    assert ended.returncode == 0, ended.stderr
    held, own = (read_predictions(project.root / f"oof/tiny/tiny/{name}-0.parquet") for name in ("holdout", "fold"))
    assert set(held.ids) == set(share_of(project, -1)[0].index)
    assert set(own.ids) == set(share_of(project, 0)[0].index)
    assert (held.fold == -1).all()
    assert held.provenance.folds == FoldMap.read(project.root / "oof/tiny/folds.csv").fingerprint
    assert "exists and stays" in folds(project).stdout
    assert (project.root / "oof/tiny/folds.csv").read_bytes() == before


def test_an_existing_map_gets_no_hold_out(blobs):
    assert folds(blobs).returncode == 0
    before = (blobs.root / "oof/tiny/folds.csv").read_bytes()
    line = blobs.refused(folds(blobs, "--holdout", "0.25"))
    assert line == "error: oof/tiny/folds.csv exists: remove it (and predictions made with it) to take another fold map"
    assert (blobs.root / "oof/tiny/folds.csv").read_bytes() == before


def test_two_processes_at_once_make_one_map(blobs):
    typed = [
        subprocess.Popen(
            blobs.command("folds", "--competition", "tiny"), cwd=blobs.root, env=blobs.environment(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]  # fmt: skip
    said = [process.communicate(timeout=120) for process in typed]
    assert [process.returncode for process in typed] == [0, 0], said
    made = ["making oof/tiny/folds.csv" in out for out, _ in said]
    assert sorted(made) == [False, True]
    other = "".join(said[made.index(False)])
    assert "exists and stays" in other or "waiting for the split into folds (process " in other
    balance = [[line for line in out.splitlines() if line.startswith(("class", "round", "all"))] for out, _ in said]
    assert balance[0] == balance[1] != []
    assert len(FoldMap.read(blobs.root / "oof/tiny/folds.csv").ids) == 36


def test_a_map_made_while_waiting_is_used_and_gets_no_hold_out(blobs):
    paths = Paths("tiny", blobs.root)
    ids = tuple(pd.read_csv(blobs.root / "data/tiny/train.csv")["Id"])
    typed = {}
    with lock(paths.folds().with_name(".folds.lock"), "another make folds"):
        for more in ((), ("--holdout", "0.25")):
            command = blobs.command("folds", "--competition", "tiny", *more)
            typed[more] = subprocess.Popen(
                command, cwd=blobs.root, env=blobs.environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            assert "waiting for another make folds" in typed[more].stdout.readline()
        FoldMap(ids, (np.arange(36) % 3).astype(np.int8), ids).write(paths.folds())
    said = {more: process.communicate(timeout=120)[0] for more, process in typed.items()}
    assert [process.returncode for process in typed.values()] == [0, 2], said
    assert "making" not in said[()].replace("making data", "")
    assert "fold 2  off by" in said[()]
    assert said["--holdout", "0.25"].startswith("error: oof/tiny/folds.csv exists: ")
    assert FoldMap.read(paths.folds()).count == 3


NESTED = "has 2 folds, and nested cross-validation needs 3"


def test_two_folds_are_refused_before_any_work(project):
    path = project.root / "configs/competitions/tiny.yaml"
    path.write_text(path.read_text().replace("count: 3", "count: 2"))
    for ended in (folds(project), folds(project, "--holdout", "0.25"), project.call("models", "--competition", "tiny", "--models", "tiny")):
        assert f"the plan of competition tiny {NESTED}: set more in the competition's YAML" in project.refused(ended)
    assert not list(project.root.glob("oof/**/*.csv"))
    assert not (project.root / "runs").exists()


def test_a_map_of_two_folds_is_refused_before_any_training(project):
    ids = tuple(pd.read_csv(project.root / "data/tiny/train.csv")["Id"])
    two = FoldMap(ids, (np.arange(36) % 2).astype(np.int8), ids)
    two.write(project.root / "mine.csv")
    assert f"mine.csv {NESTED}: give a map with more" in project.refused(folds(project, "--file", "mine.csv"))
    assert not (project.root / "oof/tiny/folds.csv").exists()
    two.write(project.root / "oof/tiny/folds.csv")
    before = (project.root / "oof/tiny/folds.csv").read_bytes()
    for ended in (folds(project), project.call("fold", "--competition", "tiny", "--model", "tiny", "--fold", "0")):
        assert f"oof/tiny/folds.csv {NESTED}: set more in the competition's YAML" in project.refused(ended)
    assert (project.root / "oof/tiny/folds.csv").read_bytes() == before
    assert not (project.root / "runs").exists()


def test_lists_of_images_that_have_changed_are_made_again(blobs):
    train = ("fold", "--competition", "tiny", "--model", "tiny", "--fold", "0", "--set", "train.epochs=1", "--retrain")
    assert folds(blobs).returncode == 0
    assert "near-duplicates" not in blobs.call(*train).stdout
    fold_of = dict(zip(*map(pd.read_csv(blobs.root / "oof/tiny/folds.csv").get, ("id", "fold")), strict=True))
    first, second = next((a, b) for a in fold_of for b in fold_of if fold_of[a] != fold_of[b])
    for source, copy in ((f"train/{first}", f"train/{second}"), ("test/image-37", "test/image-38")):
        for channel in CHANNELS:
            shutil.copyfile(*(blobs.root / f"data/tiny/{name}_{channel}.png" for name in (source, copy)))
    said = blobs.call(*train).stdout
    assert "near-duplicates among test images: 3 pairs" in said
    assert "near-duplicates: 1 pairs" in said
    assert "audit: 1 of 1 pairs of near-duplicates are split between folds" in said
    assert f"{first} (fold {fold_of[first]}) and {second} (fold {fold_of[second]})" in said
    assert "near-duplicates" not in blobs.call(*train).stdout
    table(blobs).write_text("id_a,id_b\n")  # by hand
    shutil.copyfile(blobs.root / "data/tiny/test/image-36_red.png", blobs.root / "data/tiny/test/image-39_red.png")
    assert "near-duplicates among" not in folds(blobs).stdout
    assert table(blobs).read_text() == "id_a,id_b\n"


def test_groups_that_came_after_the_fold_map_are_said_where_they_are_split(project):
    path = project.root / "configs/competitions/tiny.yaml"
    text = path.read_text()
    path.write_text("\n".join(line for line in text.splitlines() if not line.startswith(("groups", "folds"))) + "\nfolds: {count: 3}\n")
    trained = ("models", "--competition", "tiny", "--models", "tiny", "--workers", "1", "--set", "train.epochs=1")
    assert "`groups`" not in folds(project).stdout
    assert "`groups`" not in project.call(*trained).stdout
    path.write_text(text)
    note = "note: oof/tiny/folds.csv was made with other groups than `groups` of the competition's YAML names now: "
    for ended in (folds(project), project.call(*trained), project.call("stack", "--competition", "tiny", "--stack", "quick")):
        assert ended.returncode == 0, ended.stderr
        (line,) = [line for line in ended.stdout.splitlines() if line.startswith(note)]
        assert re.search(r": 1[0-2] of 12 of these lie in several folds, so scores may be too high; to split again, remove it ", line)
        assert line.endswith("then: make folds COMP=tiny")


def test_spaces_around_the_name_of_a_group_do_not_split_it(project):
    table = project.root / "data/tiny/antibodies.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([lines[0], *(line + " " * (number % 2) for number, line in enumerate(lines[1:]))]) + "\n")
    (project.root / "configs/competitions/whole.yaml").write_text("like: tiny\nfolds: {count: 3, split_groups: 0}\n")
    assert project.call("folds", "--competition", "whole").returncode == 0
    made = pd.read_csv(project.root / "oof/whole/folds.csv")
    assert (made.groupby("group")["fold"].nunique() == 1).all()
    assert made["group"].nunique() == 12


@pytest.mark.parametrize("content", [b"", b"\0\0", b"id_a,id_b\nimage-01", b"id_a,id_b,bits,correlation\nother-1,other-2,3,0.9\n"])
@pytest.mark.parametrize("name", ["duplicates.csv", "test-duplicates.csv"])
def test_a_damaged_or_foreign_list_is_moved_aside_and_made_again(blobs, name, content):
    assert folds(blobs).returncode == 0
    path = blobs.root / "data/tiny.cache" / name
    good = path.read_bytes()
    path.write_bytes(content)
    ended = folds(blobs)
    assert ended.returncode == 0, ended.stderr
    assert f"data/tiny.cache/{name} is made again and the old one is now data/tiny.cache/{name}.damaged: " in ended.stdout
    assert path.read_bytes() == good
    assert path.with_name(f"{name}.damaged").read_bytes() == content
    assert "is made again" not in folds(blobs).stdout


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_something_else_in_place_of_a_list_is_moved_aside(blobs, make):
    assert folds(blobs).returncode == 0
    good = table(blobs).read_bytes()
    table(blobs).unlink()
    make(table(blobs))
    assert folds(blobs).returncode == 0
    assert table(blobs).read_bytes() == good


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"id,fold,group\nimage-00,0,A\nimage-01,1", b"\xff\xfe", b"id,fold,group\nx,0,x\ny,1,y\nz,2,z\n", None]
)
def test_a_damaged_or_foreign_map_is_named_with_what_to_type(project, content):
    path = project.root / "oof/tiny/folds.csv"
    path.parent.mkdir(parents=True)
    if content is None:
        os.mkfifo(path)
    else:
        path.write_bytes(content)
    for ended in (folds(project), project.call("fold", "--competition", "tiny", "--model", "tiny", "--fold", "0")):
        line = project.refused(ended)
        assert line.startswith("error: oof/tiny/folds.csv cannot be used: ")
        assert line.endswith(": remove it and the predictions made with it, then: make folds COMP=tiny")


@pytest.mark.parametrize("share", ["1", "-0.1", "nan", "tenth", "1e9"])
def test_a_hold_out_that_is_no_share_is_refused_before_any_work(project, share):
    line = project.refused(folds(project, f"--holdout={share}"))
    assert line.startswith(f"error: the hold-out is '{share}': give the share of the images")
    assert not (project.root / "data/tiny.cache").exists()


def test_a_hold_out_that_no_group_fits_or_that_a_given_map_has_is_refused(project):
    assert "no group is small enough for a hold-out of 0.001" in project.refused(folds(project, "--holdout", "0.001"))
    assert "leave out HOLDOUT, or FILE" in project.refused(folds(project, "--holdout", "0.1", "--file", "mine.csv"))
    assert not (project.root / "oof/tiny/folds.csv").exists()


def test_a_closed_pipe_ends_a_command_without_a_traceback(project):
    """As in `make folds | head -1`."""
    with subprocess.Popen(
        project.command("folds", "--competition", "tiny"), cwd=project.root, env=project.environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as typed:  # fmt: skip
        typed.stdout.close()
        said = typed.stderr.read()
    assert typed.returncode == 141
    assert "Traceback" not in said
    assert "Exception ignored" not in said
