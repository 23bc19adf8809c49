"""Folds as a user trains them: complete, trained again, killed, waited for, and in error."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from comp.predictions.prediction_file import join_folds, read_predictions
from comp.training.curve import read_curve
from tests.tiny_competition import TINY


def fold(project, number=0, model="tiny", *more):
    return project.call("fold", "--competition", "tiny", "--model", model, "--fold", str(number), *more)


def test_one_fold_makes_what_is_missing_and_writes_its_files(project):
    ended = fold(project)
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
    ended = project.call("models", "--competition", "tiny", "--models", "tiny", "--workers", "2")
    assert ended.returncode == 0, ended.stderr
    folder = project.root / "oof/tiny/tiny"
    files = sorted(folder.glob("fold-*.parquet"))
    ids = [line.split(",")[0] for line in (project.root / "data/tiny/train.csv").read_text().splitlines()[1:]]
    assert join_folds([read_predictions(file) for file in files], ids).ids == tuple(ids)
    before = files[1].read_bytes()
    files[1].unlink()
    assert fold(project, 1).returncode == 0
    assert files[1].read_bytes() == before


COMPLETE = """
import sys
from comp.training.fold_job import FoldJob
from comp.training.prepare import prepare
from comp.training.train_fold import train_fold

job = FoldJob("tiny", "tiny", 0, "train.epochs=1")
prepare([job])
train_fold(job)
print(sorted({"timm", "tensorflow"} & set(sys.modules)))
"""


def test_a_complete_fold_loads_no_network(made):
    ended = subprocess.run(
        [sys.executable, "-c", COMPLETE], cwd=made.root, env=made.environment(), text=True, capture_output=True, check=False
    )
    assert ended.stdout.endswith("tiny fold 0: complete, nothing to do\n[]\n"), ended.stdout + ended.stderr


KILL_TEN_TIMES = """
import os, random, signal, time
from pathlib import Path
from comp.training.fold_job import FoldJob
from comp.training.prepare import prepare
from comp.training import fold_outputs, train_fold as training
from comp.training.train_fold import train_fold
import comp.inference.torch_network, comp.training.torch_trainer  # once, before the killed processes are forked

def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)

job = FoldJob("tiny", "tiny", 0, "train.epochs=40", checkpoint_minutes=0)
prepare([job])
checkpoint, generator = Path("runs/tiny/tiny/fold-0/checkpoint.torch"), random.Random(0)
weights = Path("oof/tiny/tiny/weights-0.safetensors")
for kill in range(11):
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
    child = os.fork()
    if child == 0:
        if kill == 8:
            training.write_fold = die  # between the weights and the predictions
        if kill == 9:
            fold_outputs.write_json = die  # between the predictions of the test images and those of the fold
        train_fold(job)
        os._exit(0)
    if kill in (8, 9):
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        assert weights.exists() and not checkpoint.exists()
        assert Path("oof/tiny/tiny/test-0.parquet").exists() == (kill == 9)
        continue
    if kill == 10:
        assert os.waitpid(child, 0)[1] == 0
        break
    if kill % 3:  # every third is killed anywhere, the others after they have resumed the training
        while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before:
            time.sleep(0.005)
            assert os.waitpid(child, os.WNOHANG) == (0, 0), "the training ended before it was killed"
    time.sleep(generator.uniform(0, 0.25))
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert not Path("oof/tiny/tiny/fold-0.parquet").exists()
print("killed ten times")
"""


def test_killed_at_ten_random_moments_and_started_again_it_ends_with_the_same_bytes(project):
    assert fold(project, 0, "tiny", "--set", "train.epochs=40").returncode == 0
    folder = project.root / "oof/tiny/tiny"
    expected = {name: (folder / name).read_bytes() for name in ("fold-0.parquet", "test-0.parquet", "weights-0.safetensors")}
    curve = project.root / "runs/tiny/tiny/fold-0/curve.csv"
    rows = without_times(curve)
    assert (len(rows), sum("macro_f1" in row for row in rows)) == (40, 8)  # 40 epochs
    shutil.rmtree(folder)
    ended = subprocess.run(
        [sys.executable, "-c", KILL_TEN_TIMES], cwd=project.root, env=project.environment(), text=True, capture_output=True, check=False
    )
    assert ended.stdout.endswith("killed ten times\n"), ended.stderr
    assert {name: (folder / name).read_bytes() for name in expected} == expected
    assert without_times(curve) == rows
    assert not list(project.root.rglob("*.part"))


def without_times(curve):
    return [{name: value for name, value in row.items() if "seconds" not in name} for row in read_curve(curve)]


WATCHED = """
import sys
from comp.training.fold_job import FoldJob
from comp.training.prepare import prepare
from comp.training.train_fold import train_fold

job = FoldJob("tiny", "tiny", 0, "train.epochs=10")
prepare([job])
train_fold(job)
assert "torch" in sys.modules and not {"tensorflow", "keras", "tensorboard"} & set(sys.modules)
"""


def test_a_fold_is_watched_without_tensorflow_and_has_the_same_bytes_as_one_that_is_not(project):
    ended = subprocess.run(
        [sys.executable, "-c", WATCHED], cwd=project.root, env=project.environment(), text=True, capture_output=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    folder, run = project.root / "oof/tiny/tiny", project.root / "runs/tiny/tiny/fold-0"
    files = {path: path.read_bytes() for path in (folder / "fold-0.parquet", folder / "test-0.parquet", folder / "experiment.yaml")}
    assert [row["step"] for row in read_curve(run / "curve.csv") if "macro_f1" in row] == [15, 30]
    assert len(list(run.glob("events.out.tfevents.*"))) == 1
    record = json.loads((folder / "run-0.json").read_text())
    assert 0 < record["validation_seconds"] + 0.1 < record["seconds"]
    assert record["device"].startswith("CPU ")

    assert "complete, nothing to do" in fold(project, 0, "tiny", "--set", "train.epochs=10 train.validate=0").stdout
    shutil.rmtree(folder)
    assert fold(project, 0, "tiny", "--set", "train.epochs=10 train.validate=0").returncode == 0
    assert {path: path.read_bytes() for path in files} == files
    assert not any("macro_f1" in row for row in read_curve(run / "curve.csv"))
    assert json.loads((folder / "run-0.json").read_text())["validation_seconds"] == 0


def test_training_that_diverges_is_one_line_and_leaves_no_checkpoint(project):
    line = project.refused(fold(project, 0, "tiny", "--set", "train.lr=1e30 train.warmup_epochs=0"))
    assert "error: tiny fold 0: training diverged, the loss is nan in epoch 1 (there is no good epoch before it)" in line
    assert 'lower the learning rate: SET="train.lr=3.3e+29"' in line
    assert not list((project.root / "runs/tiny/tiny/fold-0").glob("checkpoint*"))
    assert not (project.root / "oof/tiny/tiny").exists()


def started(project, *more):
    """A process that trains fold 0, once it holds the lock."""
    holder = subprocess.Popen(
        project.command("fold", "--competition", "tiny", "--model", "tiny", "--fold", "0", *more),
        cwd=project.root, env=project.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    name = project.root / "runs/tiny/tiny/fold-0/lock.holder"
    while not (name.exists() and name.read_text()):
        assert holder.poll() is None
        time.sleep(0.02)
    return holder


def test_the_second_process_waits_for_the_first_and_finds_the_fold_complete(project):
    settings = ("--set", "train.epochs=60")
    assert project.call("folds", "--competition", "tiny").returncode == 0
    holder = started(project, *settings)
    ended = fold(project, 0, "tiny", *settings)
    assert ended.returncode == 0, ended.stderr
    waiting = f"waiting for training of tiny fold 0 (process {holder.pid}), which holds runs/tiny/tiny/fold-0/lock"
    assert waiting in ended.stdout
    assert ended.stdout.endswith("tiny fold 0: complete, nothing to do\n")
    assert holder.wait() == 0


def test_the_second_process_trains_when_the_first_is_killed(project):
    assert project.call("folds", "--competition", "tiny").returncode == 0
    holder = started(project, "--set", "train.epochs=20000")
    holder.send_signal(signal.SIGSTOP)  # it keeps the lock, and leaves the processor to the second one
    waiting = subprocess.Popen(
        project.command("fold", "--competition", "tiny", "--model", "tiny", "--fold", "0"),
        cwd=project.root, env=project.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        assert any(f"(process {holder.pid}), which holds" in line for line in waiting.stdout)
    finally:
        holder.kill()
        holder.wait()
    said = waiting.communicate(timeout=120)[0]
    assert waiting.returncode == 0, said
    assert "tiny fold 0: macro F1" in said


@pytest.mark.parametrize("lost", ["holdout-0.parquet", "run-0.json"])
def test_a_fold_that_lacks_any_of_its_files_is_not_complete(project, lost):
    assert project.call("folds", "--competition", "tiny", "--holdout", "0.2").returncode == 0
    assert fold(project).returncode == 0
    path = project.root / "oof/tiny/tiny" / lost
    path.unlink()
    assert "macro F1" in fold(project).stdout
    assert path.exists()


def test_a_changed_experiment_is_trained_again_if_asked_and_a_damaged_file_too(project):
    assert fold(project).returncode == 0
    path = project.root / "oof/tiny/tiny/fold-0.parquet"
    first = path.read_bytes()
    changed = fold(project, 0, "tiny", "--set", "train.epochs=4", "--retrain")
    assert "tiny fold 0 was made with train.epochs=3, now 4; training again, as RETRAIN=1 asks" in changed.stdout
    assert path.read_bytes() != first
    assert "complete, nothing to do" in fold(project, 0, "tiny", "--set", "train.epochs=4", "--retrain").stdout
    path.write_bytes(path.read_bytes()[:100])
    assert "making it again" in fold(project, 0, "tiny", "--set", "train.epochs=4").stdout


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
        (("--model", "tiny", "--fold", "0", "--set", "initial_weights=nowhere.pth"), "there is no file nowhere.pth"),
        (("--model", "tiny", "--fold", "0", "--set", "channels.name=infrared"), "channels: there is no 'infrared': choose one of: grey, "),
        (("--model", "tiny", "--fold", "0", "--set", "channels.name=grey channels.factor=2"), "channels.grey: unknown option 'factor'"),
        (
            ("--model", "inceptionresnetv2", "--fold", "0", "--set", "size=74 initial_weights=scratch"),
            'inception_resnet_v2 cannot take images of 74 px with 4 input channels (it needs at least 75 px): try SET="size=96"',
        ),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(project, arguments, message):
    line = project.refused(project.call("fold", "--competition", "tiny", *arguments))
    assert message in line
    assert not (project.root / "oof/tiny/tiny").exists()


def test_a_truncated_or_missing_image_stops_training_and_is_named(project):
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
    assert fold(project, 0, "tiny", "--set", "train.epochs=4", "--retrain").returncode == 0
    (folder / "fold-0.parquet").write_bytes(first)  # as if killed between the two files
    assert "was made with train.epochs=4, now 3" in project.refused(fold(project))
    assert "training again" in fold(project, 0, "tiny", "--retrain").stdout
    assert (folder / "fold-0.parquet").read_bytes() == first


def test_the_error_for_a_misspelt_key_names_the_file(project):
    path = project.root / "configs/models/tiny.yaml"
    path.write_text(path.read_text().replace("\nsize:", "\nsise:"))
    assert "configs/models/tiny.yaml: unknown key 'sise': did you mean 'size'?" in project.refused(fold(project))
    path = project.root / "configs/competitions/tiny.yaml"
    path.write_text(path.read_text() + "overrides: {trian: {epochs: 1}}\n")
    assert "unknown key 'trian'" in project.refused(fold(project, 0, "small"))
    assert "of competition tiny" in project.refused(fold(project, 0, "small"))
    path.write_text(path.read_text() + "flods: {count: 3}\n")
    assert "configs/competitions/tiny.yaml: unknown key 'flods': did you mean 'folds'?" in project.refused(fold(project))


def test_the_error_for_a_fold_map_of_another_train_table_says_what_to_type(project):
    assert project.call("folds", "--competition", "tiny").returncode == 0
    table = project.root / "data/tiny/train.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join(lines[:-1]) + "\n")
    for command in (("fold", "--model", "tiny", "--fold", "0"), ("folds",)):
        line = project.refused(project.call(command[0], "--competition", "tiny", *command[1:]))
        assert "oof/tiny/folds.csv cannot be used" in line
        assert "remove it and the predictions made with it, then: make folds COMP=tiny" in line
    (project.root / "oof/tiny/folds.csv").unlink()
    assert project.call("folds", "--competition", "tiny").returncode == 0


ALL_CNN = "trainer: keras\nbackbone: AllCNN\ninitial_weights: scratch\nsize: 16\nchannels: {name: rgb}\n"


@pytest.mark.parametrize("experiment", [TINY, ALL_CNN], ids=["torch", "keras"])
def test_ctrl_c_ends_all_workers_at_once(project, experiment):
    (project.root / "configs/models/tiny.yaml").write_text(experiment)
    process = subprocess.Popen(
        project.command("models", "--competition", "tiny", "--models", "tiny", "small", "--workers", "2", "--set", "train.epochs=3000"),
        cwd=project.root, env=project.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # background jobs of a shell ignore Ctrl-C
    )  # fmt: skip
    holders = [project.root / f"runs/tiny/tiny/fold-{number}/lock.holder" for number in (0, 1)]
    while not all(name.exists() and name.read_text() for name in holders):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in errors
    deadline = time.monotonic() + 10
    while is_running(process.pid):
        assert time.monotonic() < deadline, "workers are still running"
        time.sleep(0.05)


def is_running(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_one_channel_or_three_can_be_trained(project):
    for channels in ("[green]", "[red,green,blue]"):
        ended = fold(project, 0, "tiny", "--set", f"channels={channels}", "--retrain")
        assert ended.returncode == 0, ended.stderr


def test_every_channel_recipe_trains(project):
    for recipe in ("rgb", "grey", "weakened", "strengthened"):
        ended = fold(project, 0, "tiny", "--set", f"channels.name={recipe} train.epochs=1", "--retrain")
        assert ended.returncode == 0, ended.stderr
