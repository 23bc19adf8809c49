"""`make runs`: finished and unfinished runs, what differs, and damaged files."""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from comp.training.curve import read_curve
from tests.conftest import Project
from tests.tiny_competition import make_tiny_competition

OTHER = "train.epochs=2 train.lr=0.002 augmentation.name=none"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Fold 0 of both models, fold 1 of `tiny` with other settings, and fold 2 of `tiny`, killed."""
    project = Project(tmp_path_factory.mktemp("trained"))
    make_tiny_competition(project.root)
    for model, fold, settings in (("tiny", 0, ""), ("small", 0, "size=64"), ("tiny", 1, OTHER)):
        ended = project.call("fold", "--competition", "tiny", "--model", model, "--fold", str(fold), "--set", settings, "--retrain")
        assert ended.returncode == 0, ended.stderr
    killed = subprocess.Popen(
        project.command("fold", "--competition", "tiny", "--model", "tiny", "--fold", "2", "--set", "train.epochs=20000", "--retrain"),
        cwd=project.root, env=project.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    curve = project.root / "runs/tiny/tiny/fold-2/curve.csv"
    while not (curve.exists() and len(read_curve(curve)) > 3):
        assert killed.poll() is None
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    return project.root


@pytest.fixture
def made(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "project")
    return Project(tmp_path / "project")


def runs(project, *models):
    ended = project.call("runs", "--competition", "tiny", *(("--models", *models) if models else ()))
    assert ended.returncode == 0, ended.stderr
    assert max(map(len, ended.stdout.splitlines())) <= 100
    return ended.stdout.splitlines()


def test_the_table_shows_every_run_its_settings_and_how_far_it_is(made):
    lines = runs(made)
    assert lines[0].split() == ["model", "fold", "macro", "F1", "hours", "device", "finished,", "or", "epoch", "reached"]
    small, small_settings, first, second, *settings = lines[1:6]
    record = json.loads((made.root / "oof/tiny/tiny/run-0.json").read_text())
    expected = ["tiny", "0", f"{record['macro_f1_at_half']:.3f}", f"{record['seconds'] / 3600:.2f}", *record["device"].split()]
    assert first.split() == [*expected, *record["time"][:16].split()]
    assert small.split()[:2] == ["small", "0"]
    assert small_settings.strip() == "with size=64 (its YAML: 32)"
    assert second.split()[:2] == ["tiny", "1"]
    assert " ".join(settings[0].split()) == (
        "with augmentation.name=none (its YAML: dihedral), train.epochs=2 (its YAML: 3), train.lr=0.002"
    )
    assert lines[6].split() == ["(its", "YAML:", "0.003)"]
    unfinished = lines[7].split()
    assert unfinished[:3] == ["tiny", "2", "-"]
    rows = read_curve(made.root / "runs/tiny/tiny/fold-2/curve.csv")
    assert f"epoch {int(rows[-1]['epoch'])}, 20" in lines[7]
    assert len(lines) == 8


def test_of_two_models_the_settings_that_differ_are_named(made):
    lines = runs(made, "tiny", "small")
    start = lines.index("") + 1
    assert [line.split() for line in lines[start : start + 2]] == [
        ["setting", "tiny", "fold", "0", "small", "fold", "0"],
        ["size", "32", "64"],
    ]
    assert lines[-1] == 'next            compare their scores: make compare COMP=tiny MODELS="tiny small"'
    path = made.root / "oof/tiny/small/run-0.json"
    record = json.loads(path.read_text())
    record["torch"] = "1.13.1"
    record["experiment"]["size"] = 32
    path.write_text(json.dumps(record))
    lines = runs(made, "tiny", "small")
    now = json.loads((made.root / "oof/tiny/tiny/run-0.json").read_text())["torch"]
    assert [line.split() for line in lines if line.startswith("torch ")] == [["torch", now, "1.13.1"]]
    assert f"torch: 1.13.1 (small 0), {now} (tiny 0,1)" in lines


def test_one_model_can_be_listed_and_equal_ones_are_said_to_be_equal(made):
    assert [line.split()[0] for line in runs(made, "small")] == ["model", "small", "with"]
    shutil.copytree(made.root / "oof/tiny/tiny", made.root / "oof/tiny/copy")
    lines = runs(made, "tiny", "copy")
    assert "tiny fold 0 and copy fold 0 have the same settings and versions" in lines
    assert any("its YAML cannot be read (there is no configs/models/copy.yaml)" in line for line in lines)


@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 100_000, '{"experiment": 3, "seconds": 1}', "\x00"])
def test_damaged_files_are_named(made, content):
    record, curve = made.root / "oof/tiny/tiny/run-0.json", made.root / "runs/tiny/tiny/fold-2/curve.csv"
    record.write_text(content)
    curve.write_text("step\n1\n")
    lines = runs(made)
    assert "note: oof/tiny/tiny/run-0.json is damaged, so nothing is known of that run" in lines
    assert "note: runs/tiny/tiny/fold-2/curve.csv is damaged, or of another version: remove it" in lines
    assert [line.split()[:2] for line in lines if line.startswith("tiny ")] == [["tiny", "1"]]


def test_records_of_before_have_no_device(made):
    path = made.root / "oof/tiny/small/run-0.json"
    record = json.loads(path.read_text())
    del record["device"], record["validation_seconds"]
    path.write_text(json.dumps(record))
    assert runs(made, "small")[1].split()[4] == "-"


def test_a_fold_that_is_trained_again_is_listed_twice(made):
    curve = made.root / "runs/tiny/small/fold-0/curve.csv"
    later = time.time() + 5
    os.utime(curve, (later, later))
    lines = runs(made, "small")
    assert [line.split()[:2] for line in lines if line.startswith("small")] == [["small", "0"]] * 2
    assert "epoch 3, " in lines[-1]


def test_mistakes_are_one_line(project, made):
    line = project.refused(project.call("runs", "--competition", "tiny"))
    assert "there is no run of competition tiny: train a model: make model COMP=tiny MODEL=densenet121" in line
    line = made.refused(made.call("runs", "--competition", "tiny", "--models", "tiny", "tinny"))
    assert "there is no run of tinny: choose from: small, tiny" in line
    shutil.rmtree(made.root / "oof/tiny/tiny")
    line = made.refused(made.call("runs", "--competition", "tiny", "--models", "small", "tiny"))
    assert "no run of tiny is finished, so its settings are not known" in line
