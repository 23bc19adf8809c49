"""Reading the tables of unknown folders: columns, tokens, groups."""

from pathlib import Path

import pytest

from comp.base.errors import DataError
from comp.competition.table_inspection import find_groups, find_tables, find_tokens
from tests.unit.competition.folder import write_tables


def test_columns_and_file_names_of_another_competition(tmp_path: Path) -> None:
    write_tables(tmp_path, "image,split,labels\na,x,rust scab\nb,y,healthy\n").joinpath("sample_submission.csv").unlink()
    (tmp_path / "SampleSubmission_v2.csv").write_text("image,labels\nt1,healthy\n")
    found = find_tables(tmp_path)
    assert (found.id_column, found.target_column, found.predicted_column) == ("image", "labels", "labels")
    assert (found.train_file, found.test_file) == ("train.csv", "SampleSubmission_v2.csv")
    assert (found.train_ids, found.test_ids) == (("a", "b"), ("t1",))
    assert find_tokens(found) == ("healthy", "rust", "scab")


def test_numbers_are_ordered_as_numbers(tmp_path: Path) -> None:
    assert find_tokens(find_tables(write_tables(tmp_path, "Id,Target\na,10 9\nb,2\nc,\n"))) == ("2", "9", "10")


@pytest.mark.parametrize(
    ("train", "problem"),
    [
        ("Id,Target\na,1\na,2\n", r"train\.csv: id a appears twice"),
        ("name,Target\na,1\n", r"train\.csv has no column 'Id'"),
        ("Id,cat,dog,cow\na,1,0,0\n", r"train\.csv has the columns cat, dog, cow"),
        ("", r"train\.csv cannot be read as CSV"),
    ],
)
def test_wrong_tables_are_refused(tmp_path: Path, train: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        find_tables(write_tables(tmp_path, train))


def test_missing_tables_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder"):
        find_tables(tmp_path / "nowhere")
    (tmp_path / "labels.csv").write_text("Id,Target\n")
    with pytest.raises(DataError, match=r"has no train\.csv: its tables are labels\.csv"):
        find_tables(tmp_path)
    (tmp_path / "train.csv").write_text("Id,Target\na,1\n")
    with pytest.raises(DataError, match=r"has no sample_submission\.csv"):
        find_tables(tmp_path)


@pytest.mark.parametrize("mark", ["|", ";", ","])
def test_labels_not_separated_by_spaces_are_refused(tmp_path: Path, mark: str) -> None:
    with pytest.raises(DataError, match="id b has labels with"):
        find_tokens(find_tables(write_tables(tmp_path, f'Id,Target\na,1\nb,"1{mark}2"\n')))


def test_groups(tmp_path: Path) -> None:
    folder = write_tables(tmp_path, "Id,Target\na,1\nb,0\nc,1\n")
    assert find_groups(folder, find_tables(folder)) is None
    (folder / "answers.csv").write_text("Id,Target\na,1\nb,0\nc,1\n")
    (folder / "some.csv").write_text("Id,antibody\na,x\nb,x\n")
    (folder / "unique.csv").write_text("Id,note\na,1\nb,2\nc,3\n")
    assert find_groups(folder, find_tables(folder)) is None
    (folder / "extra.csv").write_text("name,cell,well,antibody\nc,u,1,x\na,u,2,x\nb,v,2,y\nz,v,7,q\n")
    found = find_groups(folder, find_tables(folder))
    assert found is not None
    assert (found.file, found.id_column, found.column, found.count) == ("extra.csv", "name", "antibody", 2)


def test_a_group_column_of_the_train_table_needs_a_name_that_says_group(tmp_path: Path) -> None:
    folder = write_tables(tmp_path, "Id,Target,colour,patient\na,1,x,p\nb,0,x,p\nc,1,y,q\n")
    found = find_groups(folder, find_tables(folder))
    assert found is not None
    assert (found.file, found.column, found.count) == ("train.csv", "patient", 2)
