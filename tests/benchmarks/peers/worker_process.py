"""Peers in an environment of their own (.venv-peers), because they need other versions of packages than we do."""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Any, ClassVar, Self

import numpy as np

from comp.base.errors import CompError

PYTHON = Path(".venv-peers/bin/python")
ROOT = Path(__file__).parents[3]


class WorkerProcess:
    """A process that answers requests one after the other; arrays pass through a temporary folder.

    Attributes:
        tool: what the process runs, for messages.
        worker: the module of the process, see `worker.serve`.

    Raises:
        CompError: on entering, if the environment is missing; from a request, if the process ended.
    """

    tool: ClassVar[str]
    worker: ClassVar[str]

    def __init__(self, python: Path = PYTHON) -> None:
        self.python = python

    def __enter__(self) -> Self:
        if not self.python.exists():
            raise CompError(f"there is no {self.python}", "make .venv-peers/.ready, for which pip needs a connection")
        self.folder = tempfile.TemporaryDirectory(prefix="peers-")
        self.errors: IO[str] = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [self.python.absolute(), "-m", self.worker],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self.process.kill()
        self.process.communicate()
        self.errors.close()
        self.folder.cleanup()

    def give(self, **arrays: np.ndarray) -> None:
        for name, array in arrays.items():
            np.save(Path(self.folder.name, f"{name}.npy"), array)

    def taken(self, name: str) -> np.ndarray:
        """An array that the process wrote."""
        return np.load(Path(self.folder.name, f"{name}.npy"))

    def ask(self, do: str, **request: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        answer = ""
        try:
            print(json.dumps({"do": do, "folder": self.folder.name, **request}), file=self.process.stdin, flush=True)
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            pass
        if not answer:
            self.process.wait()
            self.errors.seek(0)
            reason = (self.errors.read().strip().splitlines() or ["no message"])[-1]
            raise CompError(f"{self.tool}'s process ended: {reason}", f"remove {self.python.parents[1]}, and: make bench-stack")
        return json.loads(answer)
