"""Missing packages become one line; mistakes in the code, and packages of other versions, do not."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

from comp.base.missing_packages import DISTRIBUTIONS, as_typed, explained, install, is_installed
from comp.base.needed_modules import needed_modules, other_packages
from tests.tiny_competition import REPOSITORY

OF_KERAS = {"keras"}  # which tensorflow brings
HERE = as_typed(Path(sys.executable))


def canonical(name):
    return re.split(r"[<>=\[]", name)[0].replace("_", "-").lower()


def test_the_names_on_pypi_are_those_of_the_project():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    extras = [each for extra in ("cma", "faiss", "keras", "ray") for each in optional[extra]]
    wanted = {canonical(each) for each in [*project["dependencies"], *extras]}
    assert {canonical(name) for name in DISTRIBUTIONS.values()} == wanted | OF_KERAS


def test_whatever_the_project_imports_has_a_name_on_pypi():
    files = [path for room in ("comp", "pipelines") for path in (REPOSITORY / room).rglob("*.py")]
    names = [".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__") for path in files]
    assert other_packages(needed_modules(names).values()) <= set(DISTRIBUTIONS)


@pytest.mark.parametrize("name", ["cv2", "yaml", "numpy"])
def test_installed_packages_are_found(name):
    assert is_installed(name)
    assert not is_installed(f"{name}_of_nobody")


def test_one_missing_package_is_named_with_what_to_type():
    found = explained(ModuleNotFoundError("No module named 'sklearn'", name="sklearn"))
    assert found.what == f"the Python package 'sklearn' is missing in {HERE}"
    assert re.fullmatch(rf"{re.escape(HERE)} -m pip install (--constraint constraints.txt )?scikit-learn", found.then)


@pytest.mark.parametrize("name", ["comp.training.no_trainer", "nobody", "torch.of_another_version", "", None])
def test_other_errors_of_imports_stay_what_they_are(name):
    assert explained(ModuleNotFoundError("x", name=name)) is None


def test_exact_versions_are_for_the_environment_that_make_setup_made(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert install(["cv2", "timm"]) == f"{HERE} -m pip install opencv-python-headless timm"
    (tmp_path / ".ready").touch()
    assert install(["timm"]) == f"{HERE} -m pip install --constraint constraints.txt timm"


def test_a_program_is_typed_by_its_name_if_path_finds_it_else_by_its_path(tmp_path, monkeypatch):
    program = tmp_path / "own" / "python-here"
    program.parent.mkdir()
    program.touch(mode=0o755)
    assert as_typed(program) == str(program)
    monkeypatch.chdir(tmp_path)
    assert as_typed(program) == "own/python-here"
    monkeypatch.setenv("PATH", str(program.parent))
    assert as_typed(program) == "python-here"
