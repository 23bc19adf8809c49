"""AutoGluon's EnsembleSelection, from an environment of its own: its bounds and ours refuse each other's pandas."""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from comp.errors import CompError
from comp.metrics import sigmoid
from comp.rows import Rows
from pipelines.benchmarks.peers import Margins

PYTHON = Path(".venv-peers/bin/python")
ROOT = Path(__file__).parents[3]
WORKER = "pipelines.benchmarks.peers.autogluon_worker"


class AutoGluon:
    """A process that answers one request after the other; arrays pass through a temporary folder.

    Raises:
        CompError: on entering, if there is no such environment; from a request, if the process ended.
    """

    def __init__(self, python: Path = PYTHON) -> None:
        self.python = python

    def __enter__(self) -> "AutoGluon":
        if not self.python.exists():
            raise CompError(f"there is no {self.python}", "make .venv-peers/.ready, for which pip needs a connection")
        self.folder = tempfile.TemporaryDirectory(prefix="peers-")
        self.complaints: IO[str] = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [self.python.absolute(), "-m", WORKER],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.complaints, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self.process.kill()
        self.process.communicate()
        self.complaints.close()
        self.folder.cleanup()

    def give(self, **arrays: np.ndarray) -> None:
        for name, array in arrays.items():
            np.save(Path(self.folder.name, f"{name}.npy"), array)

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
            self.complaints.seek(0)
            reason = (self.complaints.read().strip().splitlines() or ["nothing"])[-1]
            raise CompError(f"AutoGluon's process ended, saying: {reason}", f"remove {self.python.parents[1]}, and: make bench-stack")
        return json.loads(answer)

    def margins(self, train: Rows, held: Rows) -> Margins:
        """The peer: selection and threshold of each class by itself, on F1 throughout."""
        self.give(train=sigmoid(train.logits.astype(np.float64)), labels=train.known_labels, held=sigmoid(held.logits.astype(np.float64)))
        self.ask("margins")
        return np.load(Path(self.folder.name, "margins.npy"))
