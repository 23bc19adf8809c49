"""`make competition` as typed, on folders of every kind, and later commands with its YAML."""

import os
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from comp.base.paths import Paths
from comp.competition.competition import load_competition
from comp.competition.labels import LabelSpace
from comp.competition.tables import read_groups, read_test_ids, read_train
from comp.images.cache import open_cache
from comp.practice.tables import PracticeSpec
from comp.practice.writer import write
from tests.conftest import Project

ROOT = Path(__file__).parents[2]
NEEDS_SHARED = pytest.mark.skipif("HPA_SHARED" not in os.environ, reason="HPA_SHARED names no folder with real data")
TABLE = ("Id,Target\na,0 2\nb,2\nc,0\n", "Id,Predicted\nt,0\n")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "configs").mkdir(parents=True)
    (folder / "configs" / "competitions").symlink_to(ROOT / "configs" / "competitions")
    return folder


def typed(project: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return Project(project).call(module, *arguments)


def read(project: Path, name: str, folder: Path) -> list[str]:
    """The lines that `make competition` says, without their indent."""
    ended = typed(project, "competition", "--competition", name, "--data", str(folder))
    assert ended.returncode == 0, ended.stderr
    return [" ".join(line.split()) for line in ended.stdout.splitlines()]


def refusal(ended: subprocess.CompletedProcess[str], project: Path) -> str:
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
    assert not list(project.rglob("*.part"))
    return ended.stderr


def tables(folder: Path, train: str = TABLE[0], test: str = TABLE[1]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.csv").write_text(train)
    (folder / "sample_submission.csv").write_text(test)
    return folder


@NEEDS_SHARED
def test_real_images_take_over_the_classes_of_hpa(project: Path) -> None:
    folder = Path(os.environ["HPA_SHARED"]) / "hpa-sample"
    lines = read(project, "hpa-sample", folder)
    assert lines[1:4] == ["train 54 rows in train.csv (Id, Target)", "test 13 rows in sample_submission.csv (Id, Predicted)", lines[3]]
    assert lines[3].startswith("labels 16 of hpa's 28 occur")
    assert "stored as PNG, 8 bits, 512 x 512 px (of 37 opened)" in lines
    assert "missing no image" in lines
    assert lines[-1] == "written: configs/local/hpa-sample.yaml; next: make folds COMP=hpa-sample"
    found, hpa = load_competition("hpa-sample", project), load_competition("hpa", project)
    assert (found.classes, found.images, found.overrides) == (hpa.classes, hpa.images, {})
    ids, labels = read_train(found, Paths("hpa-sample", project))
    assert (len(ids), labels.any(0).sum()) == (54, 16)

    ended = typed(project, "data", "--competition", "hpa-sample")
    assert ended.returncode == 0, ended.stderr
    cache = open_cache(Paths("hpa-sample", project).cache("test", 512))
    assert cache.images.shape == (13, 512, 512, 4)
    green = cv2.imread(str(folder / "test" / f"{cache.ids[5]}_green.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(cache.images[5][..., 1], green)


@NEEDS_SHARED
@pytest.mark.parametrize(("name", "rows"), [("hpa-stack", (3750, 2465)), ("hpa-tables", (31072, 11702))])
def test_real_tables_without_images(project: Path, name: str, rows: tuple[int, int]) -> None:
    lines = read(project, name, Path(os.environ["HPA_SHARED"]) / name)
    assert "images none found: for imported predictions" in lines
    found, paths = load_competition(name, project), Paths(name, project)
    assert (found.images, found.classes) == (None, load_competition("hpa", project).classes)
    assert (len(read_train(found, paths)[0]), len(read_test_ids(found, paths))) == rows
    assert typed(project, "data", "--competition", name).returncode == 0
    assert "has tables and no images" in refusal(typed(project, "cache", "--competition", name), project)


def test_a_practice_folder_with_groups_and_small_images(project: Path, tmp_path: Path) -> None:
    write(tmp_path / "practice", PracticeSpec(train=40, test=6, unshifted=4, size=48, groups_per_class=1), 1)
    lines = read(project, "mine", tmp_path / "practice")
    assert any(line.startswith("groups ") and line.endswith("by antibody in antibodies.csv") for line in lines)
    found = load_competition("mine", project)
    assert found.overrides == {"size": 48}
    assert found.images is not None
    assert (found.images.train, found.images.test, found.images.file) == ("train", "test", "{id}_{channel}.png")
    ids, _ = read_train(found, Paths("mine", project))
    assert len(set(read_groups(found, Paths("mine", project), ids) or ())) > 1


def test_words_as_labels_and_one_colour_file_an_id(project: Path, tmp_path: Path) -> None:
    folder = tables(tmp_path / "plants", "image,labels\na,scab rust\nb,healthy\nc,scab\n", "image,labels\nt,healthy\n")
    rng = np.random.default_rng(0)
    pictures = {name: rng.integers(0, 65536, (40, 60, 3), np.uint16) for name in ("a", "b", "c", "t")}
    for name, picture in pictures.items():
        split = folder / ("test" if name == "t" else "train")
        split.mkdir(exist_ok=True)
        cv2.imwrite(str(split / f"{name}.tif"), picture)
    lines = read(project, "plants", folder)
    assert "labels 3 of 3 occur, 1.33 per image" in lines
    assert "most scab 2, healthy 1, rust 1" in lines
    assert "stored as TIF, 16 bits, 60 x 40 px (of 4 opened)" in lines
    found = load_competition("plants", project)
    assert found.labels == LabelSpace(("healthy", "rust", "scab"), ("healthy", "rust", "scab"))
    assert found.images is not None
    assert (found.images.file, found.images.channels) == ("{id}.tif", ("red", "green", "blue"))

    ended = typed(project, "data", "--competition", "plants")
    assert ended.returncode == 0, ended.stderr
    assert "note: 3 remarks on images" in ended.stdout
    assert "a (60 x 40 px, squeezed into a square)" in ended.stdout
    cache = open_cache(Paths("plants", project).cache("test", 40))
    red = cv2.resize(pictures["t"][..., 2], (40, 40), interpolation=cv2.INTER_AREA) / 257
    assert abs(cache.images[0][..., 0] - red).max() <= 1.01
    assert "remarks" not in typed(project, "data", "--competition", "plants").stdout


def test_numbers_that_are_not_hpas(project: Path, tmp_path: Path) -> None:
    read(project, "numbers", tables(tmp_path / "data", TABLE[0].replace("b,2", "b,40")))
    found = load_competition("numbers", project)
    assert found.classes == tuple(str(number) for number in range(41))
    assert found.labels.tokens == found.classes


def test_missing_images_are_named_and_the_yaml_written(project: Path, tmp_path: Path) -> None:
    folder = tables(tmp_path / "data")
    (folder / "train").mkdir()
    for name in ("a_red", "a_green", "b_red", "c_red", "c_green"):
        cv2.imwrite(str(folder / "train" / f"{name}.png"), np.full((8, 8), 9, np.uint8))
    lines = read(project, "lacking", folder)
    assert "missing train images of 1 ids (b); test images of 1 ids (t)" in lines
    line = refusal(typed(project, "cache", "--competition", "lacking"), project)
    assert "1 of 3 images cannot be used" in line
    assert "train/b_green.png is missing" in line


@pytest.mark.parametrize(
    ("train", "test", "problem"),
    [
        ("Id,Target\na,1\na,2\n", TABLE[1], "train.csv: id a appears twice"),
        ("Id,Target\na,1|2\nb,1;2\n", TABLE[1], "use one separator in all rows"),
        (TABLE[0], None, "has no sample_submission.csv"),
        (None, TABLE[1], "has no train.csv"),
    ],
)
def test_bad_folders_give_one_line_and_leave_no_file(
    project: Path, tmp_path: Path, train: str | None, test: str | None, problem: str
) -> None:
    folder = tables(tmp_path / "data", train or "", test or "")
    for name, content in (("train.csv", train), ("sample_submission.csv", test)):
        if content is None:
            (folder / name).unlink()
    assert problem in refusal(typed(project, "competition", "--competition", "bad", "--data", str(folder)), project)
    assert not (project / "configs" / "local").exists()


def test_a_truncated_image_is_named(project: Path, tmp_path: Path) -> None:
    folder = tables(tmp_path / "data")
    (folder / "train").mkdir()
    for name in "abc":
        cv2.imwrite(str(folder / "train" / f"{name}.png"), np.full((8, 8), 9, np.uint8))
    (folder / "train" / "b.png").write_bytes((folder / "train" / "b.png").read_bytes()[:-5])
    assert "train/b.png is cut off" in refusal(typed(project, "competition", "--competition", "bad", "--data", str(folder)), project)
    assert not (project / "configs" / "local").exists()


def test_only_what_this_command_wrote_is_replaced(project: Path, tmp_path: Path) -> None:
    folder = tables(tmp_path / "data")
    arguments = ("competition", "--competition", "mine", "--data", str(folder))
    path = project / "configs" / "local" / "mine.yaml"
    for _ in range(2):
        assert typed(project, *arguments).returncode == 0
    written = path.read_text()
    assert written.splitlines()[0] == f"# written by: make competition COMP=mine DATA={folder}"
    assert set(yaml.safe_load(written)) == {"title", "data", "tables", "columns", "images", "classes"}
    path.write_text(written.split("\n", 1)[1])
    assert "mine.yaml was written by hand" in refusal(typed(project, *arguments), project)
    assert path.read_text() == written.split("\n", 1)[1]
    path.write_bytes(b"\x82\xff")
    assert "mine.yaml was written by hand" in refusal(typed(project, *arguments), project)
    for name, problem in (("hpa", "configs/competitions/hpa.yaml exists"), ("../evil", "is not a name for a competition")):
        assert problem in refusal(typed(project, "competition", "--competition", name, "--data", str(folder)), project)
