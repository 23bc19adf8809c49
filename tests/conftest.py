"""A tiny competition in a temporary folder, and the commands a user types in it."""

import contextlib
import importlib
import io
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch._dynamo  # noqa: F401  # it crashes if TensorFlow, which some tests load, is imported first

from pipelines import command
from tests.tiny_competition import REPOSITORY, make_tiny_competition


@dataclass(frozen=True)
class Project:
    """A folder with configs/ in which commands run."""

    root: Path

    def type(self, module: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m pipelines.<module> ...`; returns both streams as text."""
        typed = self.command(module, *arguments)
        return subprocess.run(typed, cwd=self.root, env=self.environment(**environment), text=True, capture_output=True, check=False)

    def call(self, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The same in this process, which saves the seconds that a new process needs for its imports."""
        out, err = io.StringIO(), io.StringIO()
        code: object = 0
        argv = sys.argv
        with contextlib.chdir(self.root), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                sys.argv = [module, *arguments]
                command.run(importlib.import_module(f"pipelines.{module}").main)
            except SystemExit as ended:
                code = ended.code
            finally:
                sys.argv = argv
        return subprocess.CompletedProcess([module, *arguments], int(code or 0), out.getvalue(), err.getvalue())

    def command(self, module: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", f"pipelines.{module}", *arguments]

    def environment(self, **more: str) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **more}

    def refused(self, ended: subprocess.CompletedProcess[str]) -> str:
        """The one error line of a refused command; fails if it did anything else or left a half-written file."""
        lines = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
        assert ended.returncode == 2, ended.stdout + ended.stderr
        assert "Traceback" not in ended.stderr
        assert len(lines) == 1, ended.stderr
        assert ended.stderr.splitlines()[-1] == lines[0], ended.stderr
        assert not list(self.root.rglob("*.part"))
        return lines[0]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The tiny competition in a folder of its own."""
    make_tiny_competition(tmp_path)
    return Project(tmp_path)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny competition with the model `tiny` trained on three folds, one epoch each."""
    root = tmp_path_factory.mktemp("trained")
    make_tiny_competition(root)
    ended = Project(root).call("models", "--competition", "tiny", "--models", "tiny", "--workers", "1", "--set", "train.epochs=1")
    assert ended.returncode == 0, ended.stderr
    return root


@pytest.fixture
def made(trained: Path, tmp_path: Path) -> Project:
    """A copy of it."""
    root = tmp_path / "project"
    shutil.copytree(trained, root)
    return Project(root)
