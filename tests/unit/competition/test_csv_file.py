"""Reading CSVs of any separator: what pandas writes is read again, and whatever is no table is refused in one line."""

import os
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comp.base.errors import DataError
from comp.competition.csv_file import LONGEST_FIELD, find_separator, read_csv

FIELD = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff"), max_size=5)


@given(st.lists(st.tuples(FIELD, FIELD), min_size=1, max_size=5), st.sampled_from(",;\t|"), st.booleans())
def test_what_pandas_writes_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], mark: str, bom: bool
) -> None:
    path = tmp_path_factory.mktemp("csv") / "table.csv"
    table = pd.DataFrame([("x", "y"), *rows], columns=["Id", "Target"])
    table.to_csv(path, sep=mark, index=False, quoting=1, encoding="utf-8-sig" if bom else "utf-8")
    read = read_csv(path)
    assert read.attrs["separator"] == mark
    assert read.to_numpy().tolist() == table.to_numpy().tolist()


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        ("Id,Target\na,1|2;3\n", ","),
        ("Id;Target\na;1,2\nb;1\n", ";"),
        ("Id|Target\na|1\n", "|"),
        ("Id\n a\n", ","),
        ("Id;a;b;c\n1;0,5;0,1;0,2\n", ";"),
        ("Id;Target\na;1\nb\n", ";"),
        ("", ","),
    ],
)
def test_separators(text: str, separator: str) -> None:
    assert find_separator(text) == separator


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "it is empty"),
        (b"\n\n", "it is empty"),
        (b"Id,Target\na,1,2\n", "row 2 has 3 fields, the header 2"),
        (b"Id,Target\na,1\n\nb\n", "has 1 fields, the header 2"),
        (b"Id,Id\na,1\n", "has two columns 'Id'"),
        (b'Id,Target\na,"1\n', "unexpected end of data"),
        (b"Id,Target\na\0,1\n", "holds NUL bytes"),
        ("Id,Target\na,1\n".encode("utf-16"), "is UTF-16"),
        ("Id,Target\na,é\n".encode("latin-1"), "is not UTF-8 (byte 0xe9 in line 2)"),
        (b"Id,Target\na," + b"x" * (LONGEST_FIELD + 1) + b"\n", "a field of more than 131,072 characters"),
        (bytes(range(1, 128)) * 100, "table.csv"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_csv(path)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_regular_file_is_opened(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    problems = {"folder": "it is a folder", "fifo": "it is no regular file", "loop": "symbolic links", "none": "No such file"}
    for name, problem in problems.items():
        with pytest.raises(DataError, match=problem):
            read_csv(tmp_path / name)


def test_columns_without_a_name_and_spaces_around_names(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(",Id , Target,\n0,a,1,\n1,b,2,\n")
    assert read_csv(tmp_path / "table.csv").to_dict("list") == {"Id": ["a", "b"], "Target": ["1", "2"]}
