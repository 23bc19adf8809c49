"""The texts of a package: its script, notebook, page, requirements, and what Kaggle's client reads about it."""

import re
from collections.abc import Collection
from importlib.metadata import version
from pathlib import Path
from typing import Any

from comp.base.missing_packages import DISTRIBUTIONS
from comp.base.paths import PackagePaths
from comp.deployment.package_description import PackageDescription

LEAST, MOST = 6, 50  # characters of a title and of a slug that Kaggle's client takes

SCRIPT = '''"""Label images with the trained networks in this folder: python predict.py --images DIR; --help shows all options."""

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))
sys.dont_write_bytecode = True  # the folder stays as it is


def stop_if_incomplete(kind, error, trace):
    """A missing file of `comp` ends this program with one line and exit code 2."""
    if isinstance(error, ImportError) and (error.name or "").partition(".")[0] == "comp":
        print(f"error: this package is not complete ({error}): copy its whole folder again", file=sys.stderr)
        sys.exit(2)
    sys.__excepthook__(kind, error, trace)


sys.excepthook = stop_if_incomplete

from comp.base.command_line import explain_missing_packages  # noqa: E402

explain_missing_packages()
from comp.deployment.packaged import main  # noqa: E402

if __name__ == "__main__":
    main(FOLDER)
'''


def requirements(imported: Collection[str]) -> str:
    """The lines of requirements.txt for what the code imports; the versions here as comments."""
    names = sorted((name for package, name in DISTRIBUTIONS.items() if package in imported), key=str.lower)
    return "".join(f"{name}  # {version(name)} where the package was made\n" for name in names)


def dataset(about: PackageDescription, stack: str) -> dict[str, Any]:
    """The content of dataset-metadata.json."""
    slug = re.sub(r"[^a-z0-9]+", "-", f"{about.competition}-{stack}".lower())[:MOST].strip("-")
    title = " ".join(f"{about.title}: {stack} networks".split())[:MOST].strip()
    return {
        "title": title,
        "id": f"INSERT_USERNAME/{slug if len(slug) >= LEAST else f'networks-{slug}'.strip('-')}",
        "licenses": [{"name": "CC0-1.0"}],
    }


def page(about: PackageDescription, stack: str) -> str:
    """README.md: what the package is, and how to use it."""
    named = f", with {{channel}} one of {', '.join(about.channels)}" if "{channel}" in about.pattern else ""
    files = PackagePaths(Path())
    models = ", ".join(about.models)
    return f"""# {about.title}: {stack}

This folder labels images of {about.title} with {about.folds} networks of each of these models: {models}. It needs
Python 3.11 or newer and what `{files.requirements()}` lists, no network connection and nothing else. It uses a GPU if there is one.

    python {files.script()} --images DIR

writes `submission.csv`. Images are named `{about.pattern}`{named}. With `--ids sample_submission.csv`
a table says which images are labelled, in which order. `--out` names another CSV, `--probabilities FILE.csv` adds the probability of
every class, and `--batch 8` takes less memory.

To use it on Kaggle, write your user name into `{files.dataset()}`, choose a licence there, and type in this folder:

    kaggle datasets create -p . --dir-mode zip

Then make a notebook from `{files.notebook()}`, add the dataset and the competition as its inputs, correct the paths in its first cell,
and run it.
"""


def notebook(about: PackageDescription, slug: str, inputs: tuple[str, str, str]) -> dict[str, Any]:
    """predict.ipynb: it runs the script on Kaggle.

    Args:
        slug: of the dataset.
        inputs: the competition's name in Kaggle's addresses, and in its data the folder of images and the table of ids.
    """
    competition, images, table = inputs
    mounted = f"/kaggle/input/{competition}"
    where = f"""# the panel "Input" of Kaggle shows where these are
PACKAGE = "/kaggle/input/{slug}"
IMAGES = "{mounted}/{images}"
IDS = "{mounted}/{table}"
"""
    cells = [
        _cell("markdown", f"# {about.title}\n\nLabel the test images with trained networks. Nothing is downloaded."),
        _cell("code", where),
        _cell("code", '!python "{PACKAGE}/predict.py" --images "{IMAGES}" --ids "{IDS}"'),
        _cell("code", 'import pandas as pd\n\npd.read_csv("submission.csv", dtype=str).head()'),
    ]
    python = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": python, "language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 4}


def _cell(kind: str, text: str) -> dict[str, Any]:
    run: dict[str, Any] = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, "source": text.strip().splitlines(keepends=True), **run}
