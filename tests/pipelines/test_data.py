"""`make data` as typed: the real kaggle program against a local server, the user's own folders, damaged files, two processes."""

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from comp.base.paths import Paths
from comp.competition.competition import load_competition
from comp.images.cache import open_cache
from comp.images.read import read_image
from tests.conftest import Project
from tests.pipelines.kaggle_server import KaggleServer

ROOT = Path(__file__).parents[2]
CHANNELS = ("red", "green")
YAML = """
title: Tiny
slug: tiny-atlas
data: data/tiny
images: {channels: [red, green]}
classes: [Nucleus, Cytosol, Rods]
overrides: {size: 16}
"""
DRAWN = """
title: Drawn
data: data/drawn
classes: [CLASSES]
groups: {table: antibodies.csv, column: antibody}
overrides: {size: 32}
practice: {train: 40, test: 8, unshifted: 6, size: 32, groups_per_class: 1}
""".replace("CLASSES", ", ".join(f"class {number}" for number in range(28)))


@pytest.fixture
def server() -> Iterator[KaggleServer]:
    with KaggleServer() as started:
        yield started


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "configs" / "competitions"
    folder.mkdir(parents=True)
    (folder / "tiny.yaml").write_text(YAML)
    (folder / "drawn.yaml").write_text(DRAWN)
    return tmp_path


def png(seed: int) -> bytes:
    return cv2.imencode(".png", np.random.default_rng(seed).integers(0, 256, (32, 32), np.uint8))[1].tobytes()


def zipped(files: dict[str, bytes]) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as file:
        for name, content in files.items():
            file.writestr(zipfile.ZipInfo(name), content)
    return memory.getvalue()


def tiny() -> dict[str, bytes]:
    """Six train and two test images in Kaggle's layout."""
    files = {"train.csv": b"Id,Target\n" + b"".join(b"a%d,%d 2\n" % (row, row % 2) for row in range(6))}
    files["sample_submission.csv"] = b"Id,Predicted\nb0,0\nb1,0\n"
    names = [f"train/a{row}" for row in range(6)] + ["test/b0", "test/b1"]
    pictures = [f"{name}_{channel}.png" for name in names for channel in CHANNELS]
    return files | {name: png(seed) for seed, name in enumerate(pictures)}


def lay(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def data(project: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """`make data` in a new process if it needs variables of its own, else in this one, which is faster."""
    typed = arguments or ("--competition", "tiny")
    if not environment:
        return Project(project).call("data", *typed)
    settings = {**os.environ, **environment, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-m", "pipelines.data", *typed], cwd=project, env=settings, capture_output=True, text=True)


def refusal(ended: subprocess.CompletedProcess[str]) -> str:
    """The line of the error of a command that ended with exit code 2; progress bars may come before it."""
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    return last


def assert_cached(project: Path) -> None:
    competition, paths = load_competition("tiny", project), Paths("tiny", project)
    for split, count in (("train", 6), ("test", 2)):
        cache = open_cache(paths.cache(split, 16))
        assert len(cache.rows(cache.ids)) == count
        for image_id, row in zip(cache.ids, cache.images, strict=True):
            image = np.dstack(read_image(competition.image_files(paths, split, image_id), 2).channels)
            assert abs(row - image.reshape(16, 2, 16, 2, 2).mean(axis=(1, 3))).max() <= 0.75


def test_kaggles_archive_in_archives_becomes_a_cache(project: Path, server: KaggleServer) -> None:
    files = tiny()
    for split in ("train", "test"):
        inside = {name.removeprefix(f"{split}/"): files.pop(name) for name in list(files) if name.startswith(f"{split}/")}
        files[f"{split}.zip"] = zipped(inside)
    server.files = files
    ended = data(project, server.environment(project))
    assert ended.returncode == 0, ended.stderr
    assert "kaggle competitions download -c tiny-atlas -p data/tiny.downloads" in ended.stdout
    assert "data/tiny: 6 train images with 3 of 3 classes, 2 test images" in ended.stdout
    assert server.called("DownloadDataFiles") == [{"competitionName": "tiny-atlas"}]
    assert sorted(path.name for path in (project / "data" / "tiny").iterdir()) == ["sample_submission.csv", "test", "train", "train.csv"]
    assert not (project / "data" / "tiny.downloads").exists()
    assert_cached(project)

    before = len(server.requests)
    again = data(project, server.environment(project))
    assert again.returncode == 0
    assert "making" not in again.stdout
    assert len(server.requests) == before


def test_a_download_that_was_cut_off_is_continued(project: Path, server: KaggleServer) -> None:
    server.files = tiny()
    server.cut_downloads = 1
    ended = data(project, server.environment(project))
    assert ended.returncode == 0, ended.stderr
    assert_cached(project)


def test_two_processes_at_once_download_once(project: Path, server: KaggleServer) -> None:
    server.files = tiny()
    command = [sys.executable, "-m", "pipelines.data", "--competition", "tiny"]
    settings = {**os.environ, **server.environment(project), "PYTHONPATH": str(ROOT)}
    typed = [subprocess.Popen(command, cwd=project, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(2)]
    said = [process.communicate(timeout=120)[0].decode() for process in typed]
    assert [process.returncode for process in typed] == [0, 0], said
    assert len(server.called("DownloadDataFiles")) == 1
    assert "data/tiny is complete" in said[0]
    assert "data/tiny is complete" in said[1]
    assert_cached(project)


def test_without_credentials_the_error_says_how_to_get_them(project: Path, server: KaggleServer) -> None:
    ended = data(project, server.environment(project, credentials=False))
    assert "kaggle.com/settings" in refusal(ended)
    assert ended.stderr.count("\n") == 1
    assert not server.requests
    assert not (project / "data" / "tiny").exists()


@pytest.mark.parametrize("status", [403, 404, 500])
def test_the_error_gives_kaggles_reason(project: Path, server: KaggleServer, status: int) -> None:
    server.routes["DownloadDataFiles"] = lambda body: (status, {"code": status, "message": "accept the rules first"})
    line = refusal(data(project, server.environment(project)))
    assert "could not download tiny-atlas (accept the rules first)" in line
    assert "https://www.kaggle.com/competitions/tiny-atlas/rules" in line
    assert not (project / "data" / "tiny").exists()


def test_an_archive_that_reaches_outside_is_refused(project: Path, server: KaggleServer) -> None:
    server.files = {"train.csv": b"Id,Target\n", "../../../evil": b"x"}
    assert "would land outside data/tiny" in refusal(data(project, server.environment(project)))
    assert not (project / "data" / "tiny").exists()
    assert not (project.parent / "evil").exists()


def test_a_damaged_archive_is_refused(project: Path, server: KaggleServer) -> None:
    server.files = tiny()
    server.archive = zipped(tiny())[:-100]
    line = refusal(data(project, server.environment(project)))
    assert "data/tiny.downloads/tiny-atlas.zip is damaged" in line
    assert line.endswith("remove it, then: make data COMP=tiny")


def test_images_that_kaggle_does_not_have_are_named(project: Path, server: KaggleServer) -> None:
    server.files = {name: content for name, content in tiny().items() if name != "train/a3_green.png"}
    line = refusal(data(project, server.environment(project)))
    assert "1 of 6 images cannot be used: data/tiny/train/a3_green.png is missing" in line


def test_a_folder_elsewhere_is_checked_and_linked(project: Path, tmp_path: Path) -> None:
    files = tiny()
    lacking = lay(tmp_path / "lacking", {name: content for name, content in files.items() if name != "test/b1_red.png"})
    line = refusal(data(project, {}, "--competition", "tiny", "--data", str(lacking)))
    assert f"1 of 2 images cannot be used: {lacking}/test/b1_red.png is missing" in line
    assert not (project / "data" / "tiny").exists()
    assert "there is no folder nowhere" in refusal(data(project, {}, "--competition", "tiny", "--data", "nowhere"))

    whole = lay(tmp_path / "whole", files)
    ended = data(project, {}, "--competition", "tiny", "--data", "whole")
    assert ended.returncode == 0, ended.stderr
    assert (project / "data" / "tiny").readlink() == whole
    assert_cached(project)
    assert data(project, {}).returncode == 0  # the link remembers DATA

    moved = lay(tmp_path / "moved", files)
    assert data(project, {}, "--competition", "tiny", "--data", "moved").returncode == 0
    assert (project / "data" / "tiny").readlink() == moved
    (moved / "train" / "a0_red.png").unlink()
    assert "moved/train/a0_red.png is missing" in refusal(data(project, {})).replace("data/tiny", "moved")


def test_a_real_folder_in_the_way_is_not_replaced(project: Path, tmp_path: Path) -> None:
    lay(project / "data" / "tiny", tiny())
    lay(tmp_path / "other", tiny())
    assert "data/tiny exists: move it away" in refusal(data(project, {}, "--competition", "tiny", "--data", "other"))


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("train.csv", b"Id,Target\na0,0\na1,7\n", "data/tiny/train.csv: unknown label '7' of id a1"),
        ("train.csv", b"Id,Target\na0,0\na0,1\n", "data/tiny/train.csv: id a0 appears twice"),
        ("train.csv", b"Id,Target\na0,0\na9,1\n", "data/tiny/train/a9_red.png is missing"),
        ("train/a2_red.png", png(1)[:-30], "data/tiny/train/a2_red.png is cut off after"),
        ("train/a2_red.png", b"", "data/tiny/train/a2_red.png is empty"),
    ],
)
def test_bad_input_gives_one_line(project: Path, name: str, content: bytes, problem: str) -> None:
    lay(project / "data" / "tiny", tiny() | {name: content})
    (project / "configs" / "competitions" / "tiny.yaml").write_text(YAML.replace("slug: tiny-atlas\n", ""))
    line = refusal(data(project, {}, "--competition", "tiny"))
    assert problem in line
    assert not list((project / "data").rglob("*.part"))


def test_the_same_command_reads_a_repaired_file(project: Path) -> None:
    lay(project / "data" / "tiny", tiny() | {"train/a2_red.png": b"half"})
    refusal(data(project, {}))
    lay(project / "data" / "tiny", tiny())
    assert data(project, {}).returncode == 0
    assert_cached(project)


def test_without_data_and_kaggle_the_error_asks_for_the_folder(project: Path) -> None:
    (project / "configs" / "competitions" / "tiny.yaml").write_text(YAML.replace("slug: tiny-atlas\n", ""))
    line = refusal(data(project, {}))
    assert line == "error: there is no data/tiny/train.csv: name the folder that has it: make data COMP=tiny DATA=dir"


def test_a_practice_competition_is_drawn(project: Path) -> None:
    ended = data(project, {}, "--competition", "drawn")
    assert ended.returncode == 0, ended.stderr
    assert "generating the practice competition drawn in data/drawn" in ended.stdout
    assert "40 train images in" in ended.stdout
    assert "14 test images" in ended.stdout
    assert len(open_cache(Paths("drawn", project).cache("train", 32)).ids) == 40


def test_help_shows_the_three_ways() -> None:
    ended = subprocess.run([sys.executable, "-m", "pipelines.data", "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for line in ("make data COMP=hpa ", "make data COMP=hpa DATA=/where/it/is", "--data DIR"):
        assert line in ended.stdout
