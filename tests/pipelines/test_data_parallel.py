"""Several processes that train one network together: the losses of one process, every image once, resumption, errors."""

import json
import os
import shutil
import signal
import subprocess
import time
from itertools import chain

import numpy as np
import pandas as pd
import pytest

from comp.images.batches import Batches
from comp.images.input_channels import InputChannels
from comp.images.torch_batches import epoch_of
from comp.predictions.prediction_file import read_predictions
from tests.conftest import Project
from tests.tiny_competition import make_tiny_competition

TINY = ("--competition", "tiny", "--model", "still", "--fold", "0")
TWO = ("--set", "train.devices=2")
STILL = """
backbone: test_convnext  # without batch normalisation, which sees each device's part of a batch alone
initial_weights: scratch
size: 32
augmentation: {name: affine}
train: {epochs: 3, batch_size: 8, lr: 3.0e-3, precision: fp32}
"""


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    root = tmp_path_factory.mktemp("untrained")
    make_tiny_competition(root)
    (root / "configs/models/still.yaml").write_text(STILL)
    made = Project(root)
    for size in ("32", "128"):
        assert made.call("cache", "--competition", "tiny", "--size", size).returncode == 0
    assert made.call("folds", "--competition", "tiny").returncode == 0
    return root


@pytest.fixture
def project(untrained, tmp_path):
    return Project(shutil.copytree(untrained, tmp_path, dirs_exist_ok=True))


@pytest.fixture(scope="module")
def by_two(untrained, tmp_path_factory):
    """Where two processes trained a fold."""
    other = Project(shutil.copytree(untrained, tmp_path_factory.mktemp("two"), dirs_exist_ok=True))
    ended = other.type("fold", *TINY, *TWO)
    assert ended.returncode == 0, ended.stderr
    return other


def record(project):
    return json.loads((project.root / "oof/tiny/still/run-0.json").read_text())


def curve(project):
    return pd.read_csv(project.root / "runs/tiny/still/fold-0/curve.csv").drop(columns=["seconds", "validation_seconds"])


def files(project):
    return {path.name: path.read_bytes() for path in (project.root / "oof/tiny/still").iterdir() if path.suffix != ".json"}


def test_two_processes_have_the_losses_of_one(project, by_two):
    assert project.call("fold", *TINY).returncode == 0
    np.testing.assert_allclose(record(by_two)["loss_by_epoch"], record(project)["loss_by_epoch"], rtol=1e-5)
    pd.testing.assert_frame_equal(curve(by_two), curve(project), rtol=1e-4)
    alone, together = (read_predictions(each.root / "oof/tiny/still/fold-0.parquet") for each in (project, by_two))
    np.testing.assert_allclose(together.logits, alone.logits, rtol=1e-3, atol=1e-4)
    assert not (by_two.root / "runs/tiny/still/fold-0/rendezvous").exists()


@pytest.mark.parametrize("count", [2, 4])
def test_each_image_is_in_one_part_of_one_batch(count):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 255, (80, 8, 8, 4), dtype=np.uint8)
    batches = Batches(
        images, np.zeros((80, 2), bool), np.arange(80), np.arange(10, 74), InputChannels((0, 1, 2, 3)), 16,
        lambda labels, identity, generator: generator.permutation(len(labels)), lambda images, generator: images, (0, 0),
    )  # fmt: skip
    whole = [identity.tolist() for _, _, identity in epoch_of(batches, 1)]
    in_parts = [[identity.tolist() for _, _, identity in epoch_of(batches, 1, part=(index, count))] for index in range(count)]
    assert [list(chain(*each)) for each in zip(*in_parts, strict=True)] == whole
    assert sorted(chain(*chain(*in_parts))) == list(range(10, 74))


def test_killed_and_resumed_it_ends_with_the_same_files(project, by_two):
    checkpoint = project.root / "runs/tiny/still/fold-0/checkpoint.torch"
    command = project.command("fold", *TINY, *TWO, "--checkpoint-minutes", "0")
    started = subprocess.Popen(command, cwd=project.root, env=project.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while started.poll() is None and not checkpoint.exists():
        time.sleep(0.01)
    os.kill(started.pid, signal.SIGKILL)
    started.communicate()
    assert checkpoint.exists()
    assert not (project.root / "oof/tiny/still/fold-0.parquet").exists()
    ended = project.call("fold", *TINY, *TWO)
    assert ended.returncode == 0, ended.stderr
    assert files(project) == files(by_two)
    pd.testing.assert_frame_equal(curve(project), curve(by_two))


def test_a_process_that_is_killed_ends_the_others_with_one_line(project):
    command = project.command("fold", *TINY, "--set", "train.devices=2 train.epochs=500", "--checkpoint-minutes", "0")
    started = subprocess.Popen(
        command, cwd=project.root, env=project.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )  # fmt: skip
    while started.poll() is None and not (project.root / "runs/tiny/still/fold-0/checkpoint.torch").exists():
        time.sleep(0.01)
    (follower,) = [pid for pid in children(started.pid) if "spawn_main" in command_of(pid)]
    os.kill(follower, signal.SIGKILL)
    _, err = started.communicate(timeout=60)
    what = "a process that trained still fold 0 together with others ended too early"
    line = project.refused(subprocess.CompletedProcess(command, started.returncode, "", err))
    assert line == f"error: {what}: see above why; the same command resumes from the last checkpoint"
    assert (project.root / "runs/tiny/still/fold-0/checkpoint.torch").exists()


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(each) for each in file.read().split()]


def command_of(pid):
    with open(f"/proc/{pid}/cmdline") as file:
        return file.read()


def test_batches_that_cannot_be_shared_are_refused(project):
    line = project.refused(project.call("fold", *TINY, "--set", "train.devices=3"))
    assert "a batch of 8 cannot be cut into 3 equal parts (accumulate x devices)" in line
    line = project.refused(project.call("fold", *TINY, "--set", "train.devices=2 train.batch_size=64"))
    assert "still: 2 devices cannot share a batch of 64 of 24 training images: use smaller batches" in line
