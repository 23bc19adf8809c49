"""The documentation names what exists: files, Make targets, variables, pages and links."""

import re

import pytest

from tests.conftest import REPOSITORY
from tests.docs.draw_layers import PICTURE, svg

DOCS = REPOSITORY / "docs"
PAGES = sorted(DOCS.glob("*.md"))
TEXTS = [REPOSITORY / "README.md", REPOSITORY / ".github" / "CONTRIBUTING.md", *PAGES]
SUBJECTS = {
    "practice", "real-data", "training", "metric-learning", "stacking", "statistics", "article", "imports", "commands", "benchmarks",
    "architecture", "image-files", "faults", "predict", "notebooks", "cluster", "cells", "channels", "extra-rows",
}  # fmt: skip
README_LINES, PICTURE_BYTES = 190, 300_000
MAKEFILE = (REPOSITORY / "Makefile").read_text()
TARGETS = re.findall(r"^([a-z]+(?:-[a-z]+)*|fold-%):(?!=)", MAKEFILE, re.MULTILINE)
VARIABLES = re.search(r"^VALUES := (.*)$", MAKEFILE, re.MULTILINE)[1].split()
COMMANDS = (DOCS / "commands.md").read_text()
ARCHITECTURE = (DOCS / "architecture.md").read_text()
TREE = ARCHITECTURE[ARCHITECTURE.index("```\n") :]
PLUG_INS = {"channels", "augmentations", "samplers", "losses", "metric_losses", "blenders", "thresholds"}  # named without their ending


def name_of(text):
    return str(text.relative_to(REPOSITORY))


def library_files():
    return [path for room in ("comp", "pipelines") for path in (REPOSITORY / room).rglob("*.py") if path.name != "__init__.py"]


def links(text):
    """Targets of the links and pictures of a Markdown file, without those in code."""
    prose = re.sub(r"```.*?```", "", text.read_text(), flags=re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)\)", prose)


def anchors(text):
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_architecture_names_every_file_of_the_library_and_the_commands():
    files = library_files()
    assert len(files) > 50
    lines = TREE.splitlines()
    unnamed = []
    for path in files:
        name = path.stem if path.parent.name in PLUG_INS else path.name
        if not any(re.search(rf"(?<![\w/.]){re.escape(name)}(?!\w)", line) for line in lines):
            unnamed.append(name_of(path))
    assert unnamed == []


def test_architecture_names_no_module_that_does_not_exist():
    known = {path.name for folder in ("comp", "pipelines", "tests") for path in (REPOSITORY / folder).rglob("*.py")}
    assert set(re.findall(r"[\w]+\.py\b", ARCHITECTURE)) - known == set()


@pytest.mark.parametrize("text", TEXTS, ids=name_of)
def test_paths_of_modules_exist(text):
    spelled = re.findall(r"`((?:comp|pipelines|tests|configs)/[\w/.-]*)`", text.read_text())
    example = {"configs/models/convnext-tiny.yaml", "comp/training/losses/soft_f1.py", "comp/training/losses/weighted_bce.py"}
    example |= {"comp/stacking/blenders/geometric_mean.py", "configs/local/", "configs/local/name.yaml"}
    assert [path for path in spelled if path not in example and not (REPOSITORY / path).exists()] == []


def test_every_target_is_explained():
    assert len(TARGETS) > 20
    unexplained = [target for target in TARGETS if f"| `make {target.replace('%', '0')}`" not in COMMANDS]
    assert unexplained == []


def test_every_variable_is_explained():
    assert len(VARIABLES) > 15
    assert [variable for variable in VARIABLES if not re.search(rf"^\| `{variable}` \|", COMMANDS, re.MULTILINE)] == []


@pytest.mark.parametrize("text", TEXTS, ids=name_of)
def test_every_make_word_is_a_target(text):
    known = {*TARGETS, "help", "fold-K"}
    code = re.findall(r"`([^`\n]+)`", text.read_text()) + re.findall(r"^ *make .*$", text.read_text(), re.MULTILINE)
    typed = {word for each in code for word in re.findall(r"(?:^|\s)make ([a-z][\w-]*)", each.split("#")[0])}
    assert {word for word in typed if word not in known and not re.fullmatch(r"fold-\d", word)} == set()


def test_there_is_a_page_for_each_subject():
    assert {page.stem for page in PAGES} >= SUBJECTS


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_opens_with_its_question(page):
    assert "?" in "\n".join(page.read_text().splitlines()[:5])


@pytest.mark.parametrize("text", TEXTS, ids=name_of)
def test_links_resolve(text):
    for link in links(text):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (text.parent / path).resolve() if path else text
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_linked():
    linked = {(text.parent / link.partition("#")[0]).resolve() for text in TEXTS for link in links(text) if "://" not in link}
    assert [page.name for page in PAGES if page not in linked] == []


def test_the_readme_is_short_and_its_pictures_are_small():
    readme = REPOSITORY / "README.md"
    assert len(readme.read_text().splitlines()) < README_LINES
    pictures = [REPOSITORY / link for link in links(readme) if link.endswith((".png", ".svg"))]
    assert pictures
    assert all(picture.stat().st_size < PICTURE_BYTES for picture in pictures)


def test_the_picture_of_the_layers_is_up_to_date():
    assert PICTURE.read_text() == svg(), "make it again: python -m tests.docs.draw_layers"
