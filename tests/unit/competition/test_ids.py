"""Which ids are refused: those with which a path could leave its folder, and those that people cannot tell apart."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comp.base.errors import DataError
from comp.competition.ids import KnownIds, check_ids, shorten

SOURCE = Path("train.csv")


@pytest.mark.parametrize(
    "good", ["a", "a.b", "..a", "a..", "plate1/a1", "x/..y/z", "NA", "007", "1e5", "a b", "é", "a:b", "-", "{id}", "a\\b", "a" * 255]
)
def test_good_ids(good: str) -> None:
    check_ids([good, "other"], SOURCE)


OUTSIDE = ["..", ".", "../x", "x/..", "x/../y", "x/./y", "..\\x", "/x", "\\x", "C:/x", "c:\\x", "a//b", "a/"]
UNREADABLE = ["", " ", " a", "a ", "a\t", "a\n", "a\0b", "a\x7f", "\u00a0a", "\ufeffa", "a" * 256, "é" * 128]


@pytest.mark.parametrize("bad", OUTSIDE + UNREADABLE)
def test_bad_ids_are_named_in_one_line(bad: str) -> None:
    with pytest.raises(DataError, match=r"train\.csv: .*row 3|train\.csv: id") as caught:
        check_ids(["fine", bad], SOURCE)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


@given(st.text(st.sampled_from("ab./\\: \n"), min_size=1, max_size=8))
def test_an_id_that_passes_stays_below_its_folder(image_id: str) -> None:
    try:
        check_ids([image_id], SOURCE)
    except DataError:
        return
    folder = Path("/data/train")
    path = Path("/data/train/" + image_id)
    assert path.is_relative_to(folder)
    assert ".." not in path.parts
    assert str(path) == "/data/train/" + image_id  # nothing that a file system would leave out


def test_ids_that_are_the_same() -> None:
    with pytest.raises(DataError, match="id a appears twice"):
        check_ids(["a", "b", "a"], SOURCE)
    with pytest.raises(DataError, match="two Unicode forms"):
        check_ids(["\u00e9", "e\u0301"], SOURCE)


def test_long_texts_are_shortened() -> None:
    assert shorten("x" * 40) == "x" * 40
    assert shorten("x" * 1000) == "x" * 40 + "... (1,000 characters)"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("b", ["b"]),
        ("train/b", ["b"]),
        ("x/train/b", ["b"]),
        ("e\u0301", ["\u00e9"]),
        ("x/\u00f6", ["o\u0308"]),
        ("plate1/c", ["plate1/c"]),
        ("train/plate1/c", ["plate1/c"]),
        ("c", ["plate1/c", "plate2/c"]),
        ("plate3/c", []),
        ("1/c", []),
        ("ab", []),
        ("train", []),
    ],
)
def test_an_id_is_known_in_any_unicode_form_and_with_any_folders_before_it(asked: str, found: list[str]) -> None:
    assert KnownIds(["b", "\u00e9", "o\u0308", "plate1/c", "plate2/c"]).of(asked) == found
