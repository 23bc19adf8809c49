"""A submission is checked before it is written, and again when it is read."""

import csv
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import comp.submission.submission
from comp.base.errors import SubmissionError
from comp.competition.competition import Competition
from comp.competition.tables import SubmissionForm
from comp.metrics.bootstrap import Estimate
from comp.submission.sidecar import expected_score, read_sidecar
from comp.submission.submission import check_submission, newest_submission, read_submission, write_submission

COMPETITION = Competition(name="tiny", title="Tiny", data="data", classes=("Nucleus", "Cytosol", "Rods"))
IDS = ("b", "a", "c")
FORM = SubmissionForm(("a", "b", "c"), needs_labels=True)
STRINGS = ["0", "2 0", "1"]
SIDECAR = {"stack": "mean", "nested": {"value": 0.5, "error": 0.1}}


def written(folder: Path, **changes: object) -> Path:
    return write_submission(folder / "mean", dict(zip(IDS, STRINGS, strict=True)), COMPETITION, {**SIDECAR, **changes})


def test_rows_and_sidecar_come_back_as_given(tmp_path: Path) -> None:
    path = written(tmp_path)
    with path.open(newline="") as file:
        assert list(csv.reader(file)) == [["Id", "Predicted"], ["b", "0"], ["a", "2 0"], ["c", "1"]]
    made = {**SIDECAR, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    assert json.loads(path.with_suffix(".json").read_text()) == read_sidecar(path) == made
    assert expected_score(path) == Estimate(0.5, 0.1)
    ids, decisions = read_submission(path, COMPETITION, needs_labels=True)
    assert ids == IDS
    np.testing.assert_array_equal(decisions, [[1, 0, 0], [1, 0, 1], [0, 1, 0]])


def test_the_name_follows_the_content(tmp_path: Path) -> None:
    first = written(tmp_path)
    assert first.name.startswith("mean-")
    assert len(first.stem.removeprefix("mean-")) == 8
    assert written(tmp_path) == first
    assert written(tmp_path, thresholds=[0.5]) != first
    assert write_submission(tmp_path / "mean", dict(zip(IDS, ["0", "2", "1"], strict=True)), COMPETITION, SIDECAR) != first
    assert {path.suffix for path in tmp_path.iterdir()} == {".csv", ".json"}


def test_there_is_never_a_csv_without_its_sidecar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(comp.submission.submission, "write_json", full_disk)
    with pytest.raises(OSError, match="no space"):
        written(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_there_is_never_a_sidecar_without_its_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def full_disk(_: Path) -> Iterator[None]:
        raise OSError("no space left on device")
        yield

    with monkeypatch.context() as patch:
        patch.setattr(comp.submission.submission, "atomic_write", full_disk)
        with pytest.raises(OSError, match="no space"):
            written(tmp_path)
        assert list(tmp_path.iterdir()) == []
    whole = written(tmp_path)
    monkeypatch.setattr(comp.submission.submission, "atomic_write", full_disk)
    with pytest.raises(OSError, match="no space"):
        written(tmp_path)
    assert expected_score(whole) == Estimate(0.5, 0.1)  # an earlier pair is kept


def test_an_invalid_submission_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match="submission mean: the prediction of id a is empty"):
        write_submission(tmp_path / "mean", dict(zip(IDS, ["0", "", "1"], strict=True)), COMPETITION, SIDECAR)
    assert list(tmp_path.iterdir()) == []


def test_where_no_label_is_needed_a_prediction_may_be_empty(tmp_path: Path) -> None:
    rows = dict(zip(IDS, ["0", "", "1"], strict=True))
    path = write_submission(tmp_path / "mean", rows, COMPETITION, SIDECAR, needs_labels=False)
    assert path.read_text() == "Id,Predicted\nb,0\na,\nc,1\n"
    np.testing.assert_array_equal(read_submission(path, COMPETITION, needs_labels=False)[1], [[1, 0, 0], [0, 0, 0], [0, 1, 0]])
    lenient = SubmissionForm(FORM.ids, needs_labels=False)
    assert check_submission(path, COMPETITION, lenient).text() == (
        "3 rows; labels per row: 1 with 0, 2 with 1\nmost predicted: Nucleus 1; least: Rods 0"
    )
    with pytest.raises(SubmissionError, match=r"the prediction of id a is empty"):
        check_submission(path, COMPETITION, FORM)
    path.write_text("Id,Predicted\nb,0\na,\na,\nc,1\n")
    with pytest.raises(SubmissionError, match="holds id a twice"):
        read_submission(path, COMPETITION, needs_labels=False)


def test_summary_counts_rows_labels_and_classes(tmp_path: Path) -> None:
    summary = check_submission(written(tmp_path), COMPETITION, FORM)
    assert summary.rows == 3
    assert summary.labels_per_row == {1: 2, 2: 1}
    assert summary.per_class == {"Nucleus": 2, "Cytosol": 1, "Rods": 1}
    assert summary.text() == "3 rows; labels per row: 2 with 1, 1 with 2\nmost predicted: Nucleus 2; least: Rods 1"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "cannot be read as CSV (it is empty)"),
        ("Id;Predicted\na;0\n", "has the columns 'Id;Predicted', not 'Id,Predicted'"),
        (",Id,Predicted\n0,a,0\n", "has the columns ',Id,Predicted'"),
        ("Id,Predicted\na,0\nb,1\nc,2\n d,0\n", "holds 1 ids that sample_submission.csv does not, e.g. ' d'"),
        ("Id,Target\na,0\nb,1\nc,2\n", "has the columns 'Id,Target'"),
        ("Id,Predicted,Target\na,0,0\n", "has the columns 'Id,Predicted,Target'"),
        ("Id,Predicted\na,0\nb,1,2\nc,2\n", "row 3 has 3 fields, not 2"),
        ("Id,Predicted\na,0\na,0\nb,1\nc,2\n", "holds id a twice"),
        ("Id,Predicted\na,0\nb,1\n", "lacks 1 of the 3 ids of sample_submission.csv, e.g. c"),
        ("Id,Predicted\na,0\nb,1\nc,2\nd,0\n", "holds 1 ids that sample_submission.csv does not, e.g. d"),
        ("Id,Predicted\na,0\nb,3\nc,2\n", "unknown label '3' of id b"),
        ("Id,Predicted\na,0\nb,\nc,2\n", "the prediction of id b is empty"),
        ("Id,Predicted\na,0\nb,1 2 1\nc,2\n", "label '1' of id b is repeated"),
        ("Id,Predicted\na,0\nb,\xff\n", "cannot be read as CSV"),
    ],
)
def test_refusals_name_the_file_the_fault_and_the_next_command(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(SubmissionError) as caught:
        check_submission(path, COMPETITION, FORM)
    message = str(caught.value)
    assert complaint in message
    assert str(path) in message
    assert "make stack COMP=tiny" in message
    assert "\n" not in message


def test_rows_and_columns_may_come_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("Predicted,Id\n2,c\n0,a\n1,b\n")
    assert check_submission(path, COMPETITION, FORM).rows == 3


@pytest.mark.parametrize(
    "content",
    [
        "Id,Predicted\na,0\nb,1\nc,2 0\n\n",
        "Id,Predicted\na,0\nb,1\nc,2 0\n \n\n",
        "\ufeffId,Predicted\na,0\nb,1\nc,2 0\n",
        "Id,Predicted\r\na,0\r\nb,1\r\nc,2 0\r\n\r\n",
        '"Id","Predicted"\n"a","0"\n"b","1"\n"c","2 0"\n',
        "Id, Predicted\na, 0\nb,1 \nc,  2   0 \n",
        "Id,Predicted\na,0\nb,1\nc,2 0",
    ],
)
def test_ways_to_write_the_same_submission(tmp_path: Path, content: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(content.encode())
    assert check_submission(path, COMPETITION, FORM).per_class == {"Nucleus": 2, "Cytosol": 1, "Rods": 1}
    np.testing.assert_array_equal(read_submission(path, COMPETITION, needs_labels=True)[1], [[1, 0, 0], [0, 1, 0], [1, 0, 1]])


def test_one_that_was_edited_is_noticed_and_a_copy_is_the_users_own(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text().replace("b,0", "b,1"))
    with pytest.raises(SubmissionError) as caught:
        check_submission(path, COMPETITION, FORM)
    assert f"{path} was edited after it was made ({path.stem}.json has another hash): if you mean it" in str(caught.value)
    assert f"cp {path} mine.csv, then FILE=mine.csv" in str(caught.value)
    copy = tmp_path / "mine.csv"
    copy.write_bytes(path.read_bytes())
    assert check_submission(copy, COMPETITION, FORM).rows == 3
    assert written(tmp_path) == path
    assert check_submission(path, COMPETITION, FORM).rows == 3


@pytest.mark.parametrize("stranger", ["../../x", "a\nb", "x" * 5000, "\x1b[31m", "\u202e"])
@pytest.mark.parametrize("label", ["0", "", "0 0", "9" * 5000])
def test_hostile_ids_and_labels_are_one_short_line(tmp_path: Path, stranger: str, label: str) -> None:
    path = tmp_path / "mine.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["Id", "Predicted"], *([image_id, "0"] for image_id in IDS), [stranger, label]])
    with pytest.raises(SubmissionError) as caught:
        check_submission(path, COMPETITION, FORM)
    assert len(str(caught.value)) < 500
    assert str(caught.value).isprintable()


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.mkdir()
    with pytest.raises(SubmissionError, match="is a folder"):
        read_submission(path, COMPETITION, needs_labels=True)
    with pytest.raises(SubmissionError, match="there is no submission"):
        newest_submission(tmp_path, COMPETITION)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(SubmissionError, match="not a regular file"):
        read_submission(path, COMPETITION, needs_labels=True)
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(SubmissionError, match="cannot be read"):
        read_submission(path, COMPETITION, needs_labels=True)


def test_newest_is_the_one_written_last_even_if_it_is_written_again(tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match=r"there is no submission in .*make stack COMP=tiny"):
        newest_submission(tmp_path, COMPETITION)
    first, second = written(tmp_path), written(tmp_path, stack="other")
    assert newest_submission(tmp_path, COMPETITION) == second
    assert written(tmp_path) == first
    assert newest_submission(tmp_path, COMPETITION) == first
