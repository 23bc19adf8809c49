"""What Kaggle reads about a package has the form that Kaggle's client checks."""

import re
from dataclasses import replace

import pytest

from comp.deployment.package_texts import dataset, notebook, page, requirements
from tests.unit.deployment.test_package_description import DESCRIBED


@pytest.mark.parametrize("competition", ["hpa", "a", "Ä", "細胞", "my_cells.2026", "x" * 100])
@pytest.mark.parametrize("stack", ["default", "b", "ß", "densenet121+resnet50", "y" * 60, "--"])
@pytest.mark.parametrize("title", ["", "T", "Human Protein Atlas Image Classification, all of it and more"])
def test_titles_and_slugs_have_lengths_and_letters_that_kaggle_takes(competition, stack, title):
    about = dataset(replace(DESCRIBED, competition=competition, title=title), stack)
    owner, slug = about["id"].split("/")
    assert owner == "INSERT_USERNAME"
    assert re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{4,48})[a-z0-9]", slug)
    assert 6 <= len(about["title"]) <= 50
    assert about["title"] == about["title"].strip()
    assert about["licenses"] == [{"name": "CC0-1.0"}]


def test_the_page_of_a_competition_with_one_file_an_image_speaks_of_no_channel():
    assert "{channel}" not in page(DESCRIBED, "default")
    assert "`**/{id}.*`" in page(DESCRIBED, "default")


def test_paths_of_the_notebook_are_where_kaggle_mounts_them():
    cell = notebook(DESCRIBED, "zellen-default", ("cells-2026", "images/test", "sample.csv"))["cells"][1]
    assert [line.strip() for line in cell["source"][1:]] == [
        'PACKAGE = "/kaggle/input/zellen-default"',
        'IMAGES = "/kaggle/input/cells-2026/images/test"',
        'IDS = "/kaggle/input/cells-2026/sample.csv"',
    ]


def test_requirements_are_names_of_distributions_with_comments():
    lines = requirements({"cv2", "tifffile", "numpy", "unknown"}).splitlines()
    assert [line.split()[0] for line in lines] == ["numpy", "opencv-python-headless", "tifffile"]
    assert all(re.fullmatch(r"\S+  # \d\S* where the package was made", line) for line in lines)
