"""Reading the tables of unknown folders: columns, tokens, separators."""

from pathlib import Path

import pytest

from comp.base.errors import DataError
from comp.competition.table_inspection import find_tables
from tests.unit.competition.folder import write_tables


def test_columns_and_file_names_of_another_competition(tmp_path: Path) -> None:
    write_tables(tmp_path, "image,split,labels\na,x,rust scab\nb,y,healthy\n").joinpath("sample_submission.csv").unlink()
    (tmp_path / "SampleSubmission_v2.csv").write_text("image,labels\nt1,healthy\n")
    found = find_tables(tmp_path)
    assert (found.columns.id, found.columns.target, found.columns.predicted) == ("image", "labels", "labels")
    assert (found.train_file, found.test_file) == ("train.csv", "SampleSubmission_v2.csv")
    assert (found.train_ids, found.test_ids) == (("a", "b"), ("t1",))
    assert found.tokens == ("healthy", "rust", "scab")
    assert found.labels == [["rust", "scab"], ["healthy"]]


def test_numbers_are_ordered_as_numbers(tmp_path: Path) -> None:
    assert find_tables(write_tables(tmp_path, "Id,Target\na,10 9\nb,2\nc,\n")).tokens == ("2", "9", "10")


@pytest.mark.parametrize(
    ("train", "problem"),
    [
        ("Id,Target\na,1\na,2\n", r"train\.csv: id a appears twice"),
        ("name,Target\na,1\n", r"train\.csv has no column 'Id'"),
        ("Id,cat,dog,cow\na,1,0,2\nb,7,8,9\n", r"train\.csv has the columns cat, dog, cow"),
        ("", r"train\.csv cannot be read as CSV"),
    ],
)
def test_wrong_tables_are_refused(tmp_path: Path, train: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        find_tables(write_tables(tmp_path, train))


def test_missing_tables_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder"):
        find_tables(tmp_path / "nowhere")
    (tmp_path / "measured.csv").write_text("Id,Target\n")
    with pytest.raises(DataError, match=r"has no train\.csv: its tables are measured\.csv"):
        find_tables(tmp_path)
    (tmp_path / "train.csv").write_text("Id,Target\na,1\n")
    with pytest.raises(DataError, match=r"has no sample_submission\.csv"):
        find_tables(tmp_path)


@pytest.mark.parametrize("mark", ["|", ";", ",", " "])
def test_what_stands_between_labels_is_found(tmp_path: Path, mark: str) -> None:
    found = find_tables(write_tables(tmp_path, f'Id,Target\na,1\nb,"1{mark}2"\n'))
    assert found.columns.separator == mark
    assert found.labels == [["1"], ["1", "2"]]


def test_few_repeated_ids_are_a_mistake_and_many_a_row_for_each_label(tmp_path: Path) -> None:
    rows = "".join(f"id{number},cat\n" for number in range(200))
    assert find_tables(write_tables(tmp_path, "Id,Target\n" + rows + "id7,dog\nid8,dog\n")).columns.form == "long"
    with pytest.raises(DataError, match="id id7 appears twice"):
        find_tables(write_tables(tmp_path, "Id,Target\n" + rows + "id7,dog\n"))
