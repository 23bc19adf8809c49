import json
import os
import signal
import subprocess
import sys
import time

import pytest

from comp.errors import CompError
from comp.files import atomic_write, hash_of, lock, write_json


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "new" / "file.json"
    write_json(path, {"a": 1})

    def write_half():
        with atomic_write(path) as file:
            file.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert json.loads(path.read_text()) == {"a": 1}
    assert [entry.name for entry in path.parent.iterdir()] == ["file.json"]


def test_hash_ignores_key_order_and_sees_values():
    assert hash_of({"a": 1, "b": [2]}) == hash_of({"b": [2], "a": 1}) != hash_of({"a": 1, "b": [3]})


def test_a_lock_names_its_holder_and_dies_with_it(tmp_path):
    path = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", f"from pathlib import Path\nfrom comp.files import lock\nimport time\n"
         f"with lock(Path({str(path)!r}), 'training of x fold 1'): print('held', flush=True); time.sleep(60)"],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(CompError, match=rf"training of x fold 1 \(process {holder.pid}\)"), lock(path, "mine"):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    deadline = time.monotonic() + 5
    while True:
        try:
            with lock(path, "mine"):
                break
        except CompError:
            assert time.monotonic() < deadline
