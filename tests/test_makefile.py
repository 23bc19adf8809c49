"""The Makefile, its help and the README agree."""

import re
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

MAKEFILE = (REPOSITORY / "Makefile").read_text()
README = (REPOSITORY / "README.md").read_text()
TARGETS = re.findall(r"^([a-z]+(?:-[a-z]+)?|fold-%):", MAKEFILE, re.MULTILINE)
VARIABLES = re.search(r"^export (.*)$", MAKEFILE, re.MULTILINE)[1].split()
MODULES = re.findall(r"\$\(RUN\)([a-z]+)", MAKEFILE)


@pytest.fixture(scope="module")
def help_text():
    return subprocess.run(["make", "help"], cwd=REPOSITORY, text=True, capture_output=True, check=True).stdout


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_is_explained_by_help_and_readme(target, help_text):
    name = target.replace("%", "K")
    assert re.search(rf"^  make {name} +\S", help_text, re.MULTILINE)
    assert f"make {target.replace('%', '0')}" in README


@pytest.mark.parametrize("variable", VARIABLES)
def test_every_variable_is_explained_by_help(variable, help_text):
    assert re.search(rf"^  {variable} +\S", help_text, re.MULTILINE)


@pytest.mark.parametrize("module", sorted(set(MODULES)))
def test_every_command_says_what_it_does_and_takes_what_make_gives_it(module):
    command = [sys.executable, "-m", f"pipelines.{module}", "--help"]
    shown = subprocess.run(command, cwd=REPOSITORY, text=True, capture_output=True, check=True)
    recipe = next(line for line in MAKEFILE.splitlines() if f"$(RUN){module} " in f"{line} ")
    for option in re.findall(r"--[a-z]+", recipe):
        assert option in shown.stdout
    assert len(shown.stdout.splitlines()) > 5


def test_values_with_quotes_reach_the_command_whole():
    message = """it's "quoted" and $HOME"""
    printed = subprocess.run(
        ["make", "submit", f"MESSAGE={message.replace('$', '$$')}", "RUN=printf '<%s>' "],
        cwd=REPOSITORY, text=True, capture_output=True, check=True,
    ).stdout  # fmt: skip
    assert f"<{message}>" in printed


def test_stacking_loads_no_framework():
    code = (
        "import sys, pipelines.stack, pipelines.submit, pipelines.score, pipelines.importing, pipelines.folds, comp.stacking.evaluation\n"
        "print(sorted({'torch', 'tensorflow', 'timm'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, text=True, capture_output=True, check=True)
    assert ended.stdout == "[]\n"
