"""Which GPU a fold takes: real processes that hold locks."""

import subprocess
import sys

import pytest

from comp.training.gpus import free_gpu

HOLD = """
import sys
from comp.training.gpus import free_gpu
with free_gpu(int(sys.argv[1]), int(sys.argv[2])) as gpu:
    print(gpu, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def _own_locks(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def other():
    """Another process that takes a GPU; returns which."""
    started = []

    def take(count, slot):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(count), str(slot)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )  # fmt: skip
        started.append(process)
        return int(process.stdout.readline())

    yield take
    for process in started:
        process.kill()
        process.communicate()


def test_folds_take_the_first_free_gpu(other, capsys):
    assert other(3, 0) == 0
    assert other(3, 2) == 2
    with free_gpu(3, 0) as gpu:
        assert gpu == 1
    assert capsys.readouterr().out + capsys.readouterr().err == ""


def test_a_gpu_is_free_again_when_its_process_ends(other):
    with free_gpu(1, 0) as gpu:
        assert gpu == 0
    assert other(1, 0) == 0


def test_without_a_free_one_the_slot_s_is_shared_and_this_is_said(other, capsys):
    assert [other(2, 0), other(2, 0)] == [0, 1]
    with free_gpu(2, 3) as gpu:
        assert gpu == 3
    said = "".join(capsys.readouterr())
    assert "note: all GPUs are in use, so GPU 1 is shared; it needs the memory for two folds" in said


def test_processes_that_see_different_gpus_do_not_mix_them_up(other, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert other(2, 0) == 0
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,2")
    with free_gpu(2, 0) as gpu:
        assert gpu == 0
    with free_gpu(2, 1) as gpu:
        assert gpu == 0


def test_without_gpus_the_slot_is_given(capsys):
    with free_gpu(0, 4) as gpu:
        assert gpu == 4
    assert "".join(capsys.readouterr()) == ""
