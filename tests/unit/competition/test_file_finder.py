"""Finding files by patterns, compared with a plain search of all files."""

import unicodedata
from pathlib import Path
from time import process_time

import pytest

from comp.base.errors import DataError
from comp.base.paths import Paths
from comp.competition.competition import Competition
from comp.competition.file_finder import FileFinder, check_pattern, fill, find_ids


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("files", "pattern", "found"),
    [
        (["a.png"], "{id}.png", "a.png"),
        (["a.PNG"], "{id}.png", "a.PNG"),
        (["a.png"], "{id}.PNG", "a.png"),
        (["a.PNG", "a.png"], "{id}.png", "a.png"),  # the exact one
        (["a.tiff"], "{id}.tif", None),
        (["A.png"], "{id}.png", None),
        (["xa.png", "b/a.png"], "{id}.png", None),
        (["s/t/a.png"], "**/{id}.png", "s/t/a.png"),
        (["a.png"], "**/{id}.png", "a.png"),
        (["s/xa.png"], "**/{id}.png", None),
        (["s/a_red.TIF"], "**/{id}_{channel}.*", "s/a_red.TIF"),
        (["s/a/red.png"], "**/{id}/{channel}.png", "s/a/red.png"),
        (["s/b/red.png"], "**/{id}/{channel}.png", None),
        (["red/train/a.webp"], "{channel}/train/{id}.*", "red/train/a.webp"),
        (["._a.png", "__MACOSX/s/a.png", ".s/a.png"], "**/{id}.png", None),
    ],
)
def test_patterns(tmp_path: Path, files: list[str], pattern: str, found: str | None) -> None:
    touch(tmp_path, *files)
    wanted = fill(pattern, "a", "red")
    assert FileFinder(tmp_path).find(wanted) == tmp_path / (found or wanted)
    assert (tmp_path / (found or wanted)).exists() == (found is not None)


@pytest.mark.parametrize(
    ("files", "pattern"),
    [(["a.Png", "a.PNG"], "{id}.png"), (["a.png", "a.jpg"], "{id}.*"), (["s/a.png", "t/a.png"], "**/{id}.png")],
)
def test_several_files_are_refused_with_both_names(tmp_path: Path, files: list[str], pattern: str) -> None:
    touch(tmp_path, *files)
    with pytest.raises(DataError, match="both match") as caught:
        FileFinder(tmp_path).find(fill(pattern, "a", ""))
    assert all(str(tmp_path / name) in str(caught.value) for name in files)


@pytest.mark.parametrize(("stored", "asked"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_either_unicode_form(tmp_path: Path, stored: str, asked: str) -> None:
    touch(tmp_path, unicodedata.normalize(stored, "plätte/é1.png"))
    assert FileFinder(tmp_path).find(unicodedata.normalize(asked, "plätte/é1.png")).exists()


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    touch(tmp_path / "images", "s/a.png")
    touch(tmp_path / "elsewhere", "b.png")
    (tmp_path / "images/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "images/s/loop").symlink_to(tmp_path / "images")
    (tmp_path / "images/again").symlink_to(tmp_path / "images/s")
    (tmp_path / "images/c.png").symlink_to(tmp_path / "images/c.png")
    assert FileFinder(tmp_path / "images").names == ["c.png", "linked/b.png", "s/a.png"]


def test_folders_with_a_mark_are_left_out_with_all_below_them(tmp_path: Path) -> None:
    for name in ("a.png", "made/b.png", "made/s/c.png", "made-too/d.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "made/mark.csv").touch()
    (tmp_path / "made-too/other-mark.csv").touch()
    finder = FileFinder(tmp_path, mark="mark.csv")
    assert finder.names == ["a.png", "made-too/d.png"]
    assert finder.marked == ["made/b.png", "made/s/c.png"]
    assert FileFinder(tmp_path).marked == []


def test_a_missing_folder_has_no_files(tmp_path: Path) -> None:
    assert FileFinder(tmp_path / "none").find("a.png") == tmp_path / "none/a.png"


@pytest.mark.parametrize(
    "pattern", ["{id", "{id}}", "{id}{0}", "{id:>9}", "{id!r}", "{id.x}", "x.png", "/{id}", "x/../{id}", "{id}/**/x", "{id}\n", "*{id}", ""]
)
def test_wrong_patterns(pattern: str) -> None:
    with pytest.raises(ValueError, match="the pattern"):
        check_pattern(pattern)


def test_an_id_is_never_taken_for_a_field(tmp_path: Path) -> None:
    assert fill("{channel}/{id}.png", "{channel}", "red") == "red/{channel}.png"


def test_all_images_of_a_competition_take_one_walk(tmp_path: Path) -> None:
    count, stains = 500, ("red", "green", "blue", "yellow")
    for stain in stains:
        (tmp_path / "data/train" / stain).mkdir(parents=True)
        for row in range(count):
            (tmp_path / "data/train" / stain / f"id{row}.PNG").touch()
    images = {"file": "{channel}/{id}.png"}
    competition = Competition(name="x", title="x", data="data", classes=("a",), images=images)
    ids = [f"id{row}" for row in range(count)]
    start = process_time()
    files = competition.all_image_files(Paths("x", tmp_path), "train", ids)
    assert process_time() - start < 1  # about 0.02 s; a search for each file would take 10 s
    assert files == {name: [tmp_path / "data/train" / stain / f"{name}.PNG" for stain in stains] for name in ids}
    assert competition.image_files(Paths("x", tmp_path), "test", "t") == [tmp_path / f"data/test/{stain}/t.png" for stain in stains]


@pytest.mark.parametrize(
    ("pattern", "names", "ids"),
    [
        ("{id}_{channel}.png", ["a_red.png", "a_green.PNG", "b_c_red.png", "d_blue.png", "x/e_red.png", "f.png"], ["a", "b_c", "x/e"]),
        ("{channel}/{id}.*", ["red/a.tif", "green/b.png", "blue/c.png", "red/d.txt", "red/deep/e.png"], ["a", "b", "deep/e"]),
        ("**/{id}.png", ["a.png", "x/b.png", "x/y/c.png", "d.jpg"], ["a", "b", "c"]),
        ("{id}/{id}-{channel}.png", ["a/a-red.png", "a/b-red.png", "c/d/c/d-green.png"], ["a", "c/d"]),
        ("plate.{id}.tif", ["plate.1.tif", "plateX2.tif", "plate.3.tiff"], ["1"]),
        ("{id}_{channel}.png", ["u\u0308_red.png"], ["\u00fc"]),
    ],
)
def test_the_ids_of_a_folder_are_found_by_the_pattern(pattern: str, names: list[str], ids: list[str]) -> None:
    assert find_ids(names, pattern, ("red", "green")) == ids


@pytest.mark.parametrize(
    "pattern", ["{id}_{channel}.png", "**/{id}_{channel}.*", "{channel}_{id}.png", "{channel}/{id}.png", "{id}/{id}_{channel}.png"]
)
@pytest.mark.parametrize("channels", [("red", "far", "far_red"), ("far_red", "far", "red")])
def test_the_longest_channel_that_fits_a_name_is_meant(pattern: str, channels: tuple[str, ...]) -> None:
    ids = ["1_far_2", "a", "b_c"]
    assert (
        find_ids(
            [fill(pattern.removeprefix("**/"), name, channel).replace(".*", ".png") for name in ids for channel in channels],
            pattern,
            channels,
        )
        == ids
    )
