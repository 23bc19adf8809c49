"""What a submission must hold follows from the train table."""

from pathlib import Path

import pytest

from comp.base.errors import DataError
from comp.base.paths import Paths
from comp.competition.competition import Columns, Competition
from comp.competition.tables import SubmissionForm, read_form

SAMPLE = {"labels": "Id,Predicted\nt,0\ns,0\n", "long": "Id,Predicted\nt,0\ns,0\n", "one_hot": "Id,0,1\nt,0,0\ns,0,0\n"}


def form(root: Path, how: str, train: str | None) -> SubmissionForm:
    folder = root / "data"
    folder.mkdir()
    (folder / "sample_submission.csv").write_text(SAMPLE.get(how, "Id,Target\nt_0,0\nt_1,0\ns_0,0\ns_1,0\n"))
    if train is not None:
        (folder / "train.csv").write_text(train)
    columns = Columns.model_validate({"form": how})
    competition = Competition(name="tiny", title="Tiny", data="data", classes=("a", "b"), columns=columns, images=None)
    return read_form(competition, Paths("tiny", root))


@pytest.mark.parametrize(
    ("how", "train", "needed"),
    [
        ("labels", "Id,Target\nx,0\ny,1 0\n", True),
        ("labels", "Id,Target\nx,0\ny,\n", False),
        ("labels", None, True),
        ("long", "Id,Target\nx,0\nx,1\ny,1\n", True),
        ("long", "Id,Target\nx,0\nx,1\ny,\n", False),
        ("one_hot", "Id,0,1\nx,1,0\ny,1,1\n", False),
        ("one_hot", "Id,0,1\nx,1,0\ny,0,0\n", False),
        ("long_one_hot", "Id,Target\nx_0,1\nx_1,0\ny_0,0\ny_1,1\n", False),
    ],
)
def test_a_label_is_needed_where_labels_are_strings_and_every_train_row_has_one(
    tmp_path: Path, how: str, train: str | None, needed: bool
) -> None:
    assert form(tmp_path, how, train) == SubmissionForm(("t", "s"), needed)


def test_a_damaged_train_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train.csv: unknown label '7' of id y"):
        form(tmp_path, "labels", "Id,Target\nx,0\ny,7\n")
