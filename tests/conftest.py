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

import cv2
import numpy as np
import pytest
import torch._dynamo  # noqa: F401  # it crashes if TensorFlow, which some tests load, is imported first

from pipelines import command

REPOSITORY = Path(__file__).parents[1]
CHANNELS = ("red", "green", "blue", "yellow")

COMPETITION = """
title: Tiny
data: data/tiny
classes: [round, bright, striped]
groups: {table: antibodies.csv, column: antibody}
folds: {count: 3, split_groups: 0.5}
models: [tiny, small]
"""
TINY = """
backbone: test_resnet
initial_weights: scratch
size: 32
augmentation: {name: dihedral}
train: {epochs: 3, batch_size: 8, lr: 3.0e-3}
"""


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
    """36 train and 6 test images of 32 px, three classes that a small network can tell apart, twelve antibodies."""
    shutil.copytree(REPOSITORY / "configs", tmp_path / "configs", ignore=shutil.ignore_patterns("local"))
    (tmp_path / "configs/competitions/tiny.yaml").write_text(COMPETITION)
    for model in ("tiny", "small"):
        (tmp_path / f"configs/models/{model}.yaml").write_text(TINY)
    data = tmp_path / "data/tiny"
    generator = np.random.default_rng(0)
    labels = generator.random((42, 3)) < 0.4
    ids = [f"image-{number:02d}" for number in range(42)]
    for split, names in (("train", ids[:36]), ("test", ids[36:])):
        (data / split).mkdir(parents=True)
        for name in names:
            write_image(data / split, name, labels[ids.index(name)], generator)
    strings = [" ".join(map(str, np.flatnonzero(row))) for row in labels]
    lines = [f"{name},{string}" for name, string in zip(ids[:36], strings, strict=False)]
    (data / "train.csv").write_text("\n".join(["Id,Target", *lines]) + "\n")
    (data / "sample_submission.csv").write_text("\n".join(["Id,Predicted", *(f"{name},0" for name in ids[36:])]) + "\n")
    antibodies = [f"{name},A{number % 12}" for number, name in enumerate(ids[:36])]
    (data / "antibodies.csv").write_text("\n".join(["Id,antibody", *antibodies]) + "\n")
    return Project(tmp_path)


def write_image(folder: Path, name: str, labels: np.ndarray, generator: np.random.Generator) -> None:
    image = generator.integers(5, 60, (32, 32, 4), dtype=np.uint8)
    if labels[0]:
        cv2.circle(image, tuple(generator.integers(8, 24, 2).tolist()), 6, (0, 200, 0, 0), -1)
    if labels[1]:
        image[..., 2] += 100
    if labels[2]:
        image[::4, :, 0] += 150
    for channel, values in zip(CHANNELS, np.moveaxis(image, -1, 0), strict=True):
        assert cv2.imwrite(str(folder / f"{name}_{channel}.png"), np.ascontiguousarray(values))
