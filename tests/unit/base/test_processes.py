"""Workers start and stop quietly."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from comp.base import processes

REPOSITORY = Path(__file__).parents[3]
SCRIPT = """
import os, time
from comp.base.processes import follow_parent, worker_pool

if __name__ == "__main__":
    print("starting", flush=True)
    try:
        with worker_pool(2, follow_parent) as pool:
            pool.submit(time.sleep, 60).result()
    except KeyboardInterrupt:
        print("stopped", flush=True)
        os._exit(130)
"""


@pytest.mark.parametrize("seconds", [0.02, 0.05, 0.08, 0.12, 0.2, 0.4])
def test_ctrl_c_while_workers_start_is_quiet(tmp_path: Path, seconds: float) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(
        [sys.executable, "script.py"], cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "starting\n"
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the command and its workers
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "stopped\n", "")


def test_processes_side_by_side_share_the_cores(monkeypatch):
    monkeypatch.setattr(processes, "_sharing", 1)
    everything = processes.cores()
    processes.share_cores(2)
    assert processes.cores() == max(everything // 2, 1)
    processes.share_cores(1000)
    assert processes.cores() == 1
