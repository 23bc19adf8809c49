"""Folds as a user trains them: made whole, made again, killed, and refused."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from comp.predictions import join_folds, read_predictions
from tests.conftest import TINY


def fold(project, number=0, model="tiny", *more):
    return project.call("fold", "--competition", "tiny", "--model", model, "--fold", str(number), *more)


def test_one_fold_makes_what_is_missing_and_writes_the_contract(project):
    ended = project.type("fold", "--competition", "tiny", "--model", "tiny", "--fold", "0")
    assert ended.returncode == 0, ended.stderr
    assert "making oof/tiny/folds.csv: 3 folds of 36 images" in ended.stdout
    assert "making data/tiny.cache/train-32" in ended.stdout
    folder = project.root / "oof/tiny/tiny"
    out_of_fold, test = read_predictions(folder / "fold-0.parquet"), read_predictions(folder / "test-0.parquet")
    folds = dict(line.split(",")[:2] for line in (project.root / "oof/tiny/folds.csv").read_text().splitlines()[1:])
    assert sorted(out_of_fold.ids) == sorted(name for name, number in folds.items() if number == "0")
    assert (out_of_fold.fold == 0).all()
    assert (test.fold == -1).all()
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
    assert out_of_fold.provenance.classes == ("round", "bright", "striped")
    assert json.loads((folder / "run-0.json").read_text())["loss_by_epoch"]
    assert not (project.root / "runs/tiny/tiny/fold-0/checkpoint.torch").exists()

    again = fold(project)
    assert "tiny fold 0: complete, nothing to do" in again.stdout


def test_all_folds_side_by_side_cover_every_image_once_and_equal_those_trained_alone(project):
    ended = project.type("models", "--competition", "tiny", "--models", "tiny", "--workers", "2")
    assert ended.returncode == 0, ended.stderr
    folder = project.root / "oof/tiny/tiny"
    files = sorted(folder.glob("fold-*.parquet"))
    ids = [line.split(",")[0] for line in (project.root / "data/tiny/train.csv").read_text().splitlines()[1:]]
    assert join_folds([read_predictions(file) for file in files], ids).ids == tuple(ids)
    before = files[1].read_bytes()
    files[1].unlink()
    assert fold(project, 1).returncode == 0
    assert files[1].read_bytes() == before


KILL_TEN_TIMES = """
import os, random, signal, time
from pathlib import Path
from pipelines.training import Request, prepare, train_fold
import comp.trainers.torch_trainer  # once, before the processes that are killed branch off

request = Request("tiny", "tiny", 0, "train.epochs=40", checkpoint_minutes=0)
prepare([request])
checkpoint, generator = Path("runs/tiny/tiny/fold-0/checkpoint.torch"), random.Random(0)
for kill in range(11):
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
    child = os.fork()
    if child == 0:
        train_fold(request)
        os._exit(0)
    if kill == 10:
        assert os.waitpid(child, 0)[1] == 0
        break
    if kill % 3:  # every third dies wherever it is, the others after they went on with the training
        while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before:
            time.sleep(0.005)
            assert os.waitpid(child, os.WNOHANG) == (0, 0), "it ended before it was killed"
    time.sleep(generator.uniform(0, 0.25))
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert not Path("oof/tiny/tiny/fold-0.parquet").exists()
print("killed ten times")
"""


def test_killed_at_ten_random_moments_and_started_again_it_ends_with_the_same_bytes(project):
    assert fold(project, 0, "tiny", "--set", "train.epochs=40").returncode == 0
    folder = project.root / "oof/tiny/tiny"
    expected = {name: (folder / name).read_bytes() for name in ("fold-0.parquet", "test-0.parquet")}
    shutil.rmtree(folder)
    ended = subprocess.run(
        [sys.executable, "-c", KILL_TEN_TIMES], cwd=project.root, env=project.environment(), text=True, capture_output=True, check=False
    )
    assert ended.stdout.endswith("killed ten times\n"), ended.stderr
    assert {name: (folder / name).read_bytes() for name in expected} == expected
    assert not list(project.root.rglob("*.part"))


def test_a_fold_that_is_being_trained_is_not_trained_twice(project):
    assert project.type("folds", "--competition", "tiny").returncode == 0
    lock = project.root / "runs/tiny/tiny/fold-0/lock"
    holder = subprocess.Popen(
        project.command("fold", "--competition", "tiny", "--model", "tiny", "--fold", "0", "--set", "train.epochs=2000"),
        cwd=project.root, env=project.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while not (lock.exists() and lock.read_text()):
            assert holder.poll() is None
            time.sleep(0.05)
        assert f"is held by training of tiny fold 0 (process {holder.pid})" in project.refused(fold(project))
    finally:
        holder.kill()
        holder.wait()


@pytest.mark.parametrize("lost", ["holdout-0.parquet", "run-0.json"])
def test_a_fold_that_lacks_any_of_its_files_is_not_complete(project, lost):
    assert project.call("folds", "--competition", "tiny", "--holdout", "0.2").returncode == 0
    assert fold(project).returncode == 0
    path = project.root / "oof/tiny/tiny" / lost
    path.unlink()
    assert "macro F1" in fold(project).stdout
    assert path.exists()


def test_a_changed_experiment_is_trained_again_and_a_damaged_file_too(project):
    assert fold(project).returncode == 0
    path = project.root / "oof/tiny/tiny/fold-0.parquet"
    first = path.read_bytes()
    changed = fold(project, 0, "tiny", "--set", "train.epochs=4")
    assert "tiny fold 0 was made with train.epochs=3, now 4; training again" in changed.stdout
    assert path.read_bytes() != first
    path.write_bytes(path.read_bytes()[:100])
    assert "training again" in fold(project, 0, "tiny", "--set", "train.epochs=4").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "tiny", "--fold", "3"), "there is no fold 3: type make fold-0 to make fold-2"),
        (("--model", "tiny", "--fold", "-1"), "there is no fold -1: type make fold-0 to make fold-2"),
        (("--model", "net", "--fold", "0"), "there is no configs/models/net.yaml: choose one of: allcnn, arcface-"),
        (("--model", "tiny", "--fold", "0", "--set", "backbone=resnet35"), "timm has no backbone 'resnet35': near it: "),
        (("--model", "tiny", "--fold", "0", "--set", "train.epoch=2"), "unknown key 'train.epoch': did you mean 'epochs'?"),
        (("--model", "tiny", "--fold", "0", "--set", "channels=[red,ultraviolet]"), "there is no channel 'ultraviolet'"),
        (("--model", "tiny", "--fold", "0", "--set", "loss.name=fokal"), "losses: there is no 'fokal'"),
        (("--model", "tiny", "--fold", "0", "--set", "weights=nowhere.pth"), "there is no file nowhere.pth"),
        (("--model", "tiny", "--fold", "0", "--set", "channels.name=infrared"), "channels: there is no 'infrared': choose one of: grey, "),
        (("--model", "tiny", "--fold", "0", "--set", "channels.name=grey channels.factor=2"), "channels.grey: unknown option 'factor'"),
        (
            ("--model", "inceptionresnetv2", "--fold", "0", "--set", "size=74 weights=scratch"),
            'inception_resnet_v2 cannot take images of 74 px with 4 planes (it needs at least 75 px): try SET="size=96"',
        ),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(project, arguments, message):
    line = project.refused(project.call("fold", "--competition", "tiny", *arguments))
    assert message in line
    assert not (project.root / "oof/tiny/tiny").exists()


def test_an_image_that_is_truncated_or_missing_stops_training_by_name(project):
    damaged = project.root / "data/tiny/train/image-03_green.png"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[: len(whole) // 2])
    assert "image-03_green.png" in project.refused(fold(project))
    damaged.unlink()
    assert "image-03_green.png is missing" in project.refused(fold(project))
    damaged.write_bytes(whole)
    assert fold(project).returncode == 0


def test_a_test_file_of_another_experiment_does_not_count(project):
    assert fold(project).returncode == 0
    folder = project.root / "oof/tiny/tiny"
    first = (folder / "fold-0.parquet").read_bytes()
    assert fold(project, 0, "tiny", "--set", "train.epochs=4").returncode == 0
    (folder / "fold-0.parquet").write_bytes(first)  # as if killed between the two files
    assert "training again" in fold(project).stdout
    assert (folder / "fold-0.parquet").read_bytes() == first


def test_a_misspelt_key_in_a_file_is_refused_by_the_files_name(project):
    path = project.root / "configs/models/tiny.yaml"
    path.write_text(path.read_text().replace("\nsize:", "\nsise:"))
    assert "configs/models/tiny.yaml: unknown key 'sise': did you mean 'size'?" in project.refused(fold(project))
    path = project.root / "configs/competitions/tiny.yaml"
    path.write_text(path.read_text() + "overrides: {trian: {epochs: 1}}\n")
    assert "unknown key 'trian'" in project.refused(fold(project, 0, "small"))
    assert "of competition tiny" in project.refused(fold(project, 0, "small"))
    path.write_text(path.read_text() + "flods: {count: 3}\n")
    assert "configs/competitions/tiny.yaml: unknown key 'flods': did you mean 'folds'?" in project.refused(fold(project))


def test_a_fold_map_of_another_train_table_says_how_to_go_on(project):
    assert project.call("folds", "--competition", "tiny").returncode == 0
    table = project.root / "data/tiny/train.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join(lines[:-1]) + "\n")
    for command in (("fold", "--model", "tiny", "--fold", "0"), ("folds",)):
        line = project.refused(project.call(command[0], "--competition", "tiny", *command[1:]))
        assert "oof/tiny/folds.csv does not serve" in line
        assert "remove it and the predictions made with it, then: make folds COMP=tiny" in line
    (project.root / "oof/tiny/folds.csv").unlink()
    assert project.call("folds", "--competition", "tiny").returncode == 0


ALL_CNN = "trainer: keras\nbackbone: AllCNN\nweights: scratch\nsize: 16\nchannels: {name: rgb}\n"


@pytest.mark.parametrize("experiment", [TINY, ALL_CNN], ids=["torch", "keras"])
def test_ctrl_c_ends_all_workers_at_once(project, experiment):
    (project.root / "configs/models/tiny.yaml").write_text(experiment)
    process = subprocess.Popen(
        project.command("models", "--competition", "tiny", "--models", "tiny", "small", "--workers", "2", "--set", "train.epochs=3000"),
        cwd=project.root, env=project.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job would ignore Ctrl-C
    )  # fmt: skip
    locks = [project.root / f"runs/tiny/tiny/fold-{number}/lock" for number in (0, 1)]
    while not all(lock.exists() and lock.read_text() for lock in locks):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in errors
    deadline = time.monotonic() + 10
    while is_there(process.pid):
        assert time.monotonic() < deadline, "workers are left"
        time.sleep(0.05)


def is_there(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_one_channel_or_three_train_as_well(project):
    for channels in ("[green]", "[red,green,blue]"):
        ended = fold(project, 0, "tiny", "--set", f"channels={channels}")
        assert ended.returncode == 0, ended.stderr


def test_every_channel_recipe_trains(project):
    for recipe in ("rgb", "grey", "weakened", "strengthened"):
        ended = fold(project, 0, "tiny", "--set", f"channels.name={recipe} train.epochs=1")
        assert ended.returncode == 0, ended.stderr
