"""`make synthesize`: painted images of rare labels, trained on by one setting, killed and resumed, and never over another set."""

import shutil
import signal
import subprocess
import time

import cv2
import numpy as np
import pandas as pd
import pytest

from tests.conftest import Project
from tests.tiny_competition import make_tiny_competition

SMALL = """
like: practice
data: data/small
folds: {count: 3}
practice: {train: 160, test: 3, unshifted: 1, size: 32, groups_per_class: 3}
overrides: {size: 32}
"""
PAINT = ("--competition", "small", "--below", "8", "--target", "10")


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    root = tmp_path_factory.mktemp("painted")
    make_tiny_competition(root)
    (root / "configs/competitions/small.yaml").write_text(SMALL)
    project = Project(root)
    ended = project.call("synthesize", *PAINT, "--workers", "1")
    assert ended.returncode == 0, ended.stderr
    return project, ended.stdout


def images_of(folder):
    return {path.name: path.read_bytes() for path in sorted((folder / "images").iterdir())}


def counts(table):
    labels = table["Target"].str.split().explode()
    return labels.value_counts().reindex(map(str, range(28)), fill_value=0)


def test_rare_labels_come_up_to_the_target_and_a_sheet_shows_them(painted):
    project, said = painted
    folder = project.root / "data/small.extra/painted"
    train, extra = (
        pd.read_csv(path, dtype=str, keep_default_na=False) for path in (project.root / "data/small/train.csv", folder / "extra.csv")
    )
    before, added = counts(train), counts(extra)
    rare = (before > 0) & (before < 8)
    assert rare.sum() > 3
    assert ((before + added)[rare] >= 10).all()
    assert f"data/small.extra/painted: {len(extra)} images of rare labels" in said
    assert (extra["group"] == extra["Id"]).all()
    assert len(images_of(folder)) == 4 * len(extra)
    green = cv2.imread(str(folder / f"images/{extra['Id'][0]}_green.png"), cv2.IMREAD_UNCHANGED)
    assert green.shape == (32, 32)
    sheet = cv2.imread(str(project.root / "runs/small/extra-painted.png"))
    assert f"the {min(8, int((added > 0).sum()))} rarest of these labels" in said
    assert sheet.shape[1] > 1000
    assert np.std(sheet[:, : sheet.shape[1] // 2]) > 20
    assert np.std(sheet[:, sheet.shape[1] // 2 :]) > 20


def test_any_fold_is_trained_on_them_by_one_setting(painted, tmp_path):
    project = Project(shutil.copytree(painted[0].root, tmp_path / "project"))
    ended = project.call("fold", "--competition", "small", "--model", "tiny", "--fold", "1", "--set", "extra=painted train.epochs=1")
    assert ended.returncode == 0, ended.stderr
    count = len(pd.read_csv(project.root / "data/small.extra/painted/extra.csv"))
    assert f"tiny fold 1 is also trained on {count} of the {count} extra rows of painted" in ended.stdout


def test_killed_and_started_again_it_ends_with_the_same_bytes(painted):
    project = painted[0]
    folder = project.root / "data/small.extra/again"
    command = project.command("synthesize", *PAINT, "--name", "again", "--workers", "1")
    killed = subprocess.Popen(command, cwd=project.root, env=project.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not folder.exists() or len(list(folder.glob("images/*"))) < 20:
        assert killed.poll() is None
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (folder / "extra.csv").exists()
    ended = project.call("synthesize", *PAINT, "--name", "again", "--workers", "1")
    assert ended.returncode == 0, ended.stderr
    expected = images_of(project.root / "data/small.extra/painted")
    assert images_of(folder) == {name.replace("painted", "again"): data for name, data in expected.items()}
    assert "complete, nothing to do" in project.call("synthesize", *PAINT, "--name", "again").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*PAINT, "--seed", "1"), "data/small.extra/painted was made with seed=0, now 1: choose another name, EXTRA=..."),
        (
            ("--competition", "small", "--below", "1", "--name", "none"),
            "no label of small has fewer than 1 train images: give a larger number",
        ),
        (("--competition", "small", "--below", "8", "--target", "5"), "target (5) is less than below (8)"),
        ((*PAINT, "--seed", "-1"), "make synthesize: seed = -1 does not fit: Input should be greater than or equal to 0"),
        ((*PAINT, "--size", "0"), "make synthesize: size = 0 does not fit: Input should be greater than or equal to 16"),
        ((*PAINT, "--size", "-5"), "make synthesize: size = -5 does not fit"),
        ((*PAINT, "--size", "4097"), "make synthesize: size = 4097 does not fit: Input should be less than or equal to 4096"),
        ((*PAINT, "--name", "../none"), "is no name of a set of extra rows"),
        ((*PAINT, "--name", "null"), "'null' is no name of a set of extra rows: use a letter, then letters, digits"),
        (("--competition", "tiny"), "the painter knows no class 'round', which tiny has: it paints HPA's classes and channels"),
    ],
)
def test_what_cannot_be_is_one_line(painted, arguments, said):
    assert said in painted[0].refused(painted[0].call("synthesize", *arguments))
