"""The Makefile, its help and the README agree."""

import re
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY, Project

MAKEFILE = (REPOSITORY / "Makefile").read_text()
README = (REPOSITORY / "README.md").read_text()
TARGETS = re.findall(r"^([a-z]+(?:-[a-z]+)?|fold-%):", MAKEFILE, re.MULTILINE)
VARIABLES = re.search(r"^VALUES := (.*)$", MAKEFILE, re.MULTILINE)[1].split()
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
    shown = Project(REPOSITORY).call(module, "--help")
    assert shown.returncode == 0, shown.stderr
    recipe = next(line for line in MAKEFILE.splitlines() if f"$(RUN){module} " in f"{line} ")
    for option in re.findall(r"--[a-z]+", recipe):
        assert option in shown.stdout
    assert len(shown.stdout.splitlines()) > 5


def made(folder, *typed):
    """What make would run: the command's arguments, each in angle brackets. `folder` is where it runs."""
    command = [
        "make",
        "--no-print-directory",
        "--file",
        REPOSITORY / "Makefile",
        "--old-file",
        ".venv/.ready",
        *typed,
        "RUN=printf '<%s>' ",
    ]
    return subprocess.run(command, cwd=folder, text=True, capture_output=True, check=True).stdout


def test_values_with_quotes_reach_the_command_whole(tmp_path):
    message = """it's "quoted" and $HOME"""
    assert made(tmp_path, "submit", f"MESSAGE={message.replace('$', '$$')}").endswith(f"<--message={message}>")


@pytest.mark.parametrize("value", ["costs $5", "$(shell touch made)", "$HOME", "a#b", "two\nlines", "${MODEL}", "$(error x)"])
def test_dollars_in_values_are_dollars(tmp_path, value):
    assert made(tmp_path, "submit", f"MESSAGE={value}").endswith(f"<--message={value}>")
    assert not list(tmp_path.iterdir())


def test_the_form_of_the_cache_is_only_what_is_typed(tmp_path, monkeypatch):
    monkeypatch.setenv("CACHE", "/var/cache")
    assert made(tmp_path, "data") == "<data><--competition=practice>"
    assert made(tmp_path, "data", "CACHE=compressed") == "<data><--competition=practice><--cache=compressed>"


def test_values_that_begin_with_a_dash_are_values(tmp_path):
    assert made(tmp_path, "submit", "MESSAGE=-baseline", "FILE=-x.csv").endswith("<--file=-x.csv><--message=-baseline>")
    assert made(tmp_path, "import", "COMP=--help", "VAL=-v") == "<importing><--competition=--help><--val=-v><--declare=holdout>"


@pytest.mark.parametrize(
    "stem", ["'; touch made; '", '"; touch made; "', "$(touch made)", "`touch made`", "$(shell touch made)", ";touch made"]
)
def test_the_number_of_a_fold_is_never_run(tmp_path, stem):
    assert made(tmp_path, f"fold-{stem}").endswith(f"<--fold={stem}>")
    assert not list(tmp_path.iterdir())


def test_the_number_of_a_fold_is_that_of_the_target(tmp_path):
    assert made(tmp_path, "fold-1", "FOLD=2").endswith("<--fold=1>")


def test_names_are_split_at_spaces_and_stars_stay_stars(tmp_path):
    for name in ("one", "two.csv"):
        (tmp_path / name).touch()
    found = made(tmp_path, "vote", "MODELS=* a", "FILE=*.csv [o]ne")
    assert found == "<vote><--competition=practice><--models><*><a><--file><*.csv><[o]ne>"


def test_help_runs_nothing_of_a_competitions_name(tmp_path):
    (tmp_path / "Makefile").write_text(MAKEFILE)
    shown = subprocess.run(["make", "help", 'COMP="; touch made; "'], cwd=tmp_path, text=True, capture_output=True, check=True).stdout
    assert 'Variables (COMP = "; touch made; "):' in shown
    assert not (tmp_path / "made").exists()


def test_stacking_loads_no_framework():
    code = (
        "import sys, pipelines.stack, pipelines.submit, pipelines.score, pipelines.importing, pipelines.folds, comp.stacking.evaluation\n"
        "print(sorted({'torch', 'tensorflow', 'timm'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, text=True, capture_output=True, check=True)
    assert ended.stdout == "[]\n"
