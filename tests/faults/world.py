"""A small competition with trained models, a stack and a checkpoint, copied for every fault; and what a command made in it."""

import contextlib
import hashlib
import io
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.tiny_competition import make_tiny_competition

REPOSITORY = Path(__file__).parents[2]
EPOCH = ("--set", "train.epochs=1")
FOLD = ("fold", "--competition", "tiny", "--model", "tiny", "--fold", "0", *EPOCH)
MODELS = ("models", "--competition", "tiny", *EPOCH)
STACK = ("stack", "--competition", "tiny", "--models", "tiny", "small", "--stack", "quick")
PREDICT = ("predict", "--competition", "tiny", "--stack", "quick")
SECONDS = 120  # a command that takes longer hangs


@dataclass(frozen=True)
class Ended:
    """How a command ended; code None if it hung."""

    code: int | None
    out: str
    err: str


@dataclass(frozen=True)
class World:
    """A folder in which commands run."""

    root: Path

    def copy(self, to: Path) -> "World":
        shutil.copytree(self.root, to, symlinks=True)
        return World(to)

    def start(
        self, command: Sequence[str], largest_file: int | None = None, closed: int | None = None, **streams: object
    ) -> subprocess.Popen[str]:
        """Start a command, in a session of its own, perhaps with a limit in bytes for the files it writes, or a closed descriptor."""
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "KAGGLE_CONFIG_DIR": "."}

        def limit() -> None:
            if largest_file is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
            if closed is not None:
                os.close(closed)

        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
        module, *arguments = command
        return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
            [sys.executable, "-m", f"pipelines.{module}", *arguments],
            cwd=self.root, env=environment, text=True, errors="replace", start_new_session=True, preexec_fn=limit, **options,
        )  # fmt: skip

    def type(self, command: Sequence[str], largest_file: int | None = None, **streams: object) -> Ended:
        return finish(self.start(command, largest_file, **streams))

    def results(self) -> dict[str, str]:
        """Every result: name -> hash of its bytes."""
        return {str(path.relative_to(self.root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in self._files()}

    def contents(self) -> dict[str, str]:
        """The numbers of every prediction file, and the newest submission: name -> hash of what is read from it."""
        found = {}
        for path in self._files():
            if path.suffix == ".parquet":
                found[str(path.relative_to(self.root))] = _values(path)
            elif path.parent.name == "predict":
                found[str(path.relative_to(self.root))] = path.read_text(errors="replace")
        sheets = [path for path in self._files() if path.suffix == ".csv" and path.parent.name == "tiny"]
        newest = max(sheets, key=lambda path: path.stat().st_mtime_ns, default=None)
        return found | {"submission": hashlib.sha256(newest.read_bytes()).hexdigest() if newest else ""}

    def _files(self) -> list[Path]:
        """What must be the same in the end: predictions, weights, fitted stacks, submissions, and labels of new images."""
        patterns = ("oof/tiny/*/*.parquet", "oof/tiny/*/*.safetensors", "oof/tiny/*/fitted.json", "submissions/tiny/*.csv")
        files = sorted(path for pattern in (*patterns, "submissions/tiny/predict/*") for path in self.root.glob(pattern))
        return [path for path in files if path.is_file()]

    def leftovers(self) -> list[str]:
        return [str(path.relative_to(self.root)) for path in self.root.rglob("*.part")]


def _values(path: Path) -> str:
    try:
        columns = pq.ParquetFile(io.BytesIO(path.read_bytes())).read().to_pydict()
    except (OSError, pa.ArrowException):
        return "damaged"
    return hashlib.sha256(repr(columns).encode()).hexdigest()


def finish(process: subprocess.Popen[str], seconds: float = SECONDS) -> Ended:
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        kill(process)
        out, err = process.communicate()
        return Ended(None, out or "", err or "")
    return Ended(process.returncode, out or "", err or "")


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a command and its workers, as a power cut would."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def build(root: Path) -> World:
    """Train two models, stack them, predict images with the stack, leave the checkpoint of a killed run behind."""
    make_tiny_competition(root)
    with (root / "configs/competitions/tiny.yaml").open("a") as file:
        file.write("slug: tiny-competition\n")
    world = World(root)
    for command in (MODELS, STACK, PREDICT):
        ended = world.type(command)
        assert ended.code == 0, ended.err
    checkpoint = root / "runs/tiny/tiny/fold-1/checkpoint.torch"
    for path in root.glob("oof/tiny/tiny/*-1.*"):
        path.rename(root / path.name)
    process = world.start((*FOLD[:6], "1", "--checkpoint-minutes", "0", *EPOCH))
    while not checkpoint.exists() and process.poll() is None:
        time.sleep(0.01)
    kill(process)
    process.communicate()
    assert checkpoint.exists(), "the run ended before it could be killed"
    for path in root.glob("*-1.*"):
        path.rename(root / "oof/tiny/tiny" / path.name)
    for path in root.rglob("*.part"):
        path.unlink()
    return world
