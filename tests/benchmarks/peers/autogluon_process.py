"""AutoGluon's EnsembleSelection in an environment of its own, because it needs another version of pandas than we do."""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from comp.base.errors import CompError
from comp.metrics.logits import sigmoid
from comp.stacking.prediction_set import PredictionSet
from tests.benchmarks.peers import Margins

PYTHON = Path(".venv-peers/bin/python")
ROOT = Path(__file__).parents[3]
WORKER = "tests.benchmarks.peers.autogluon_worker"


class AutoGluon:
    """A process that answers requests one after the other; arrays pass through a temporary folder.

    Raises:
        CompError: on entering, if the environment is missing; from a request, if the process ended.
    """

    def __init__(self, python: Path = PYTHON) -> None:
        self.python = python

    def __enter__(self) -> "AutoGluon":
        if not self.python.exists():
            raise CompError(f"there is no {self.python}", "make .venv-peers/.ready, for which pip needs a connection")
        self.folder = tempfile.TemporaryDirectory(prefix="peers-")
        self.errors: IO[str] = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [self.python.absolute(), "-m", WORKER],
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
            raise CompError(f"AutoGluon's process ended: {reason}", f"remove {self.python.parents[1]}, and: make bench-stack")
        return json.loads(answer)

    def margins(self, train: PredictionSet, held: PredictionSet) -> Margins:
        """The peer: selection and threshold of each class by itself, both by F1."""
        self.give(train=sigmoid(train.logits.astype(np.float64)), labels=train.known_labels, held=sigmoid(held.logits.astype(np.float64)))
        self.ask("margins")
        return np.load(Path(self.folder.name, "margins.npy"))
