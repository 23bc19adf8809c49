"""The environment one has: make uses it as it is, installs nothing, and names the packages that are missing."""

import os
import shutil
import subprocess
import sys

import pytest

from comp.base.missing_packages import DISTRIBUTIONS
from comp.base.needed_modules import needed_modules, other_packages
from tests.conftest import REPOSITORY
from tests.pipelines.kaggle_environment import Environment
from tests.tiny_competition import make_tiny_competition

COMMANDS = ("fold", "stack")
TRAINER = "comp.training.torch_trainer"
SMALLEST = {
    "filelock", "huggingface_hub", "numpy", "opencv-python-headless", "pandas", "pyarrow", "pydantic", "PyYAML", "safetensors", "scipy",
    "threadpoolctl", "timm", "torch", "tqdm", "xxhash",
}  # fmt: skip  # what make fold-K and make stack need, as docs/notebooks.md lists it
WITHOUT = """
import importlib.abc, os, sys
class Without(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in os.environ["WITHOUT"].split():
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Without())
"""


def needed(*modules):
    """The packages that modules need to be imported."""
    return other_packages(needed_modules(modules, late=False).values(), late=False)


PACKAGES = sorted(needed(TRAINER, *(f"pipelines.{name}" for name in COMMANDS)))


@pytest.fixture
def checkout(tmp_path):
    """The commands and a tiny competition in a folder of their own."""
    root = tmp_path / "check out"
    make_tiny_competition(root)
    for name in ("comp", "pipelines"):
        shutil.copytree(REPOSITORY / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copyfile(REPOSITORY / name, root / name)
    return root


def typed(root, *command, **variables):
    """What make prints, and how it ends; no environment is activated unless `variables` say so."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = ["make", "--no-print-directory", *command]
    environment = {**kept, "OMP_NUM_THREADS": "1", **variables}
    return subprocess.run(command, cwd=root, env=environment, text=True, capture_output=True, check=False)


def test_fold_and_stack_run_in_another_environment_and_install_nothing(checkout, tmp_path):
    environment = Environment(tmp_path / "own", SMALLEST)
    python = f"PYTHON={environment.folder}/bin/python"
    before = sorted(path.name for path in checkout.iterdir())
    for fold in range(3):
        ended = typed(checkout, f"fold-{fold}", "COMP=tiny", "MODEL=tiny", "SET=train.epochs=1", python)
        assert ended.returncode == 0, ended.stderr
    ended = typed(checkout, "stack", "COMP=tiny", python)
    assert ended.returncode == 0, ended.stderr
    assert list((checkout / "submissions/tiny").glob("default-*.csv"))
    assert sorted({path.name for path in checkout.iterdir()} - {"oof", "runs", "submissions"}) == before


def test_the_smallest_environment_is_what_they_import():
    assert {DISTRIBUTIONS[package] for package in PACKAGES} == SMALLEST


def refused(root, module, *arguments, without):
    """The one line of a command in an environment without some packages."""
    (root / "without").mkdir(exist_ok=True)
    (root / "without/sitecustomize.py").write_text(WITHOUT)
    environment = {**os.environ, "PYTHONPATH": f"{root}/without{os.pathsep}{REPOSITORY}", "WITHOUT": without}
    command = [sys.executable, "-m", f"pipelines.{module}", *arguments]
    ended = subprocess.run(command, cwd=root, env=environment, text=True, capture_output=True, check=False)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), ended.stderr
    return ended.stderr.rstrip()


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_that_is_missing_is_named_in_one_line(project, package):
    for command in COMMANDS:
        if package in needed(f"pipelines.{command}"):
            line = refused(project.root, command, "--help", without=package)
        elif command == "fold" and package in needed(TRAINER):
            line = refused(project.root, command, "--competition=tiny", "--model=tiny", "--fold=0", without=package)
            assert line.startswith("error: tiny: ")
        else:
            continue
        assert f"the Python package {package!r} is missing in " in line
        assert line.endswith(f"-m pip install {DISTRIBUTIONS[package]}") or f"constraints.txt {DISTRIBUTIONS[package]}" in line


@pytest.mark.parametrize(
    ("command", "without", "named"),
    [
        (("fold", "--help"), "yaml pydantic lightgbm torch", ["pydantic", "yaml"]),
        (("fold", "--competition=tiny", "--model=tiny", "--fold=0"), "timm torch", ["timm", "torch"]),
        (("neighbours", "--help"), "matplotlib sklearn", ["matplotlib", "sklearn"]),
        (("fold", "--competition=tiny", "--model=near", "--fold=0"), "pytorch_metric_learning", ["pytorch_metric_learning"]),
    ],
)
def test_all_that_are_missing_are_named_at_once(project, command, without, named):
    (project.root / "configs/models/near.yaml").write_text("like: tiny\ntrainer: metric\n")
    *others, last = map(repr, named)
    listed = f"packages {', '.join(others)} and {last} are missing" if others else f"package {last} is missing"
    assert f"the Python {listed} in " in refused(project.root, *command, without=without)


def test_an_import_of_the_commands_that_is_no_package_keeps_its_traceback(project):
    code = "from pipelines import command\ncommand.run(lambda: __import__('nobody'))"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=project.root, env=project.environment(), text=True, capture_output=True, check=False
    )
    assert ended.stderr.startswith("Traceback")


def test_an_older_python_says_so_in_one_line():
    code = "import sys; sys.version_info = (3, 9, 2, 'final', 0); sys.version = '3.9.2 (main)'; import pipelines.fold"
    ended = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, text=True, capture_output=True, check=False)
    assert ended.returncode == 2
    assert (
        ended.stderr
        == f"error: {sys.executable} is Python 3.9.2, and 3.11 or newer is needed: choose another one, as in PYTHON=python3.11\n"
    )
    for name in ("pipelines/__init__.py", "comp/__init__.py"):
        compile((REPOSITORY / name).read_text(), name, "exec", 0x400, _feature_version=6)


@pytest.mark.parametrize("python", ["nobody", "/nobody/bin/python", "conda run python", "", "$(shell touch made)"])
def test_a_python_that_is_no_program_is_one_line(checkout, python):
    ended = typed(checkout, "fold-0", f"PYTHON={python}")
    line, of_make = ended.stderr.splitlines()
    assert line == f"error: there is no program '{python}': PYTHON is the name or the path of one Python, as in PYTHON=python3"
    assert "Error 2" in of_make
    assert ended.returncode == 2
    assert not (checkout / "made").exists()


@pytest.fixture
def speaking(tmp_path):
    """A folder with a space in its name, like that of an environment, whose python prints how it was called."""
    folder = tmp_path / "an environment"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/python").write_text('#!/bin/sh\necho "$0" "$@"\n')
    (folder / "bin/python").chmod(0o755)
    return folder


def test_an_activated_environment_is_used_until_there_is_a_venv(checkout, speaking):
    said = f"{speaking}/bin/python -m pipelines.fold --competition=practice --model=densenet121 --fold=0\n"
    assert typed(checkout, "fold-0", VIRTUAL_ENV=str(speaking)).stdout == said
    assert typed(checkout, "fold-0", CONDA_PREFIX=str(speaking), CONDA_DEFAULT_ENV="mine").stdout == said
    (checkout / "local.mk").write_text(f"PYTHON = {speaking}/bin/python\n")
    assert typed(checkout, "fold-0", VIRTUAL_ENV="/nobody").stdout == said
    (checkout / "local.mk").unlink()
    assert not (checkout / ".venv").exists()
    (checkout / ".venv").mkdir()
    (checkout / ".venv/.ready").touch()
    assert typed(checkout, "fold-0", f"PYTHON={speaking}/bin/python").stdout == said
    assert ".venv/bin/python" in typed(checkout, "fold-0", VIRTUAL_ENV=str(speaking)).stderr


def test_the_base_of_conda_and_a_variable_of_the_shell_are_not_chosen(checkout, speaking):
    for variables in ({"CONDA_PREFIX": str(speaking), "CONDA_DEFAULT_ENV": "base"}, {"PYTHON": f"{speaking}/bin/python"}):
        planned = typed(checkout, "--dry-run", "fold-0", **variables).stdout
        assert "-m venv --clear .venv" in planned


def test_setup_makes_a_venv_and_takes_no_python(checkout, speaking):
    ended = typed(checkout, "setup", f"PYTHON={speaking}/bin/python")
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: PYTHON is used as it is, and make setup makes .venv: leave out PYTHON, or ")
    assert "-m venv --clear .venv" in typed(checkout, "--dry-run", "setup", VIRTUAL_ENV=str(speaking)).stdout


@pytest.mark.parametrize(("target", "last"), [("test", "-m pytest"), ("bench", "-m tests.benchmarks"), ("check", "lint_imports_command()")])
def test_checks_tests_and_measurements_use_it_too(checkout, speaking, target, last):
    said = typed(checkout, target, f"PYTHON={speaking}/bin/python").stdout.splitlines()
    assert all(line.startswith(f"{speaking}/bin/python -") for line in said)
    assert said[-1].endswith(last)


def test_the_contest_of_stacks_makes_no_environment_either(checkout, speaking):
    ended = typed(checkout, "bench-stack", f"PYTHON={speaking}/bin/python")
    assert ended.stdout == f"{speaking}/bin/python -m tests.benchmarks.stack_contest --competition=practice\n"
    assert ended.stderr == "AutoGluon and xCOLUMNs are not installed; the table is printed without them\n"
    assert not list(checkout.glob(".venv*"))
