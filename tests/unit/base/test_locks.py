import os
import signal
import subprocess
import sys
import time

import pytest

from comp.base.locks import lock

HOLD = """
import sys, time
from pathlib import Path
from comp.base.locks import lock
with lock(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    sys.stdin.readline()
print("ended", flush=True)
"""


@pytest.fixture
def hold(tmp_path):
    """Start a process that holds the lock `tmp_path/lock` until it is sent a line."""
    started = []

    def start(holder):
        command = [sys.executable, "-u", "-c", HOLD, str(tmp_path / "lock"), holder]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("ending", ["ends", "is killed"])
def test_the_second_process_waits_says_for_whom_and_goes_on_when_the_first_one(hold, tmp_path, ending):
    first = hold("training of x fold 1")
    assert first.stdout.readline() == "held\n"
    second = hold("training again")
    assert second.stdout.readline() == f"waiting for training of x fold 1 (process {first.pid}), which holds {tmp_path / 'lock'}\n"
    time.sleep(0.5)
    assert second.poll() is None
    if ending == "ends":
        assert first.communicate("\n")[0] == "ended\n"
    else:
        os.kill(first.pid, signal.SIGKILL)
    assert second.stdout.readline() == "held\n"
    third = hold("a third one")
    assert third.stdout.readline().startswith(f"waiting for training again (process {second.pid}), which holds ")
    assert second.communicate("\n")[0] == "ended\n"
    assert third.stdout.readline() == "held\n"


def test_a_killed_process_leaves_nothing_to_clean_up(hold, tmp_path, capsys):
    killed = hold("training of x fold 1")
    assert killed.stdout.readline() == "held\n"
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    with lock(tmp_path / "lock", "mine"):
        assert (tmp_path / "lock.holder").read_text() == f"mine (process {os.getpid()})"
    assert not (tmp_path / "lock.holder").exists()
    assert capsys.readouterr().out == ""


def test_a_lock_is_free_again_after_an_error(tmp_path, capsys):
    for _ in range(2):
        with pytest.raises(RuntimeError), lock(tmp_path / "new" / "lock", "mine"):
            raise RuntimeError
    assert capsys.readouterr().out == ""


def test_a_lock_without_a_name_is_waited_for_all_the_same(hold, tmp_path):
    """The holder's file can be missing: it is written just after the lock is taken, and removed just before the lock is freed."""
    first = hold("training of x fold 1")
    assert first.stdout.readline() == "held\n"
    (tmp_path / "lock.holder").unlink()
    second = hold("training again")
    assert second.stdout.readline() == f"waiting for another process, which holds {tmp_path / 'lock'}\n"
    first.communicate("\n")
    assert second.stdout.readline() == "held\n"
