"""What a submission must hold follows from the train table."""

from pathlib import Path

import pytest

from comp.base.errors import DataError
from comp.base.paths import Paths
from comp.competition.competition import Columns, Competition
from comp.competition.tables import SubmissionForm, read_form, read_known_labels

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


def known_labels(root: Path, how: str, text: str) -> tuple[dict[str, list[bool]], list[str]]:
    """The labels of each id, and the column `more` of its first row."""
    (root / "known.csv").write_text(text)
    columns = Columns.model_validate({"form": how})
    competition = Competition(
        name="tiny", title="Tiny", data="data", classes=("aa", "bb"), tokens=("aa", "bb"), columns=columns, images=None
    )
    ids, labels, table = read_known_labels(root / "known.csv", competition, ["Target", "Predicted"], "give it")
    assert tuple(table["Id" if "Id" in table else "ID"]) == ids
    return dict(zip(ids, labels.tolist(), strict=True)), list(table["more"])


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("labels", "Id,Target,more\nt,aa bb,1\ns,bb,2\n"),
        ("labels", "Id,Predicted,more\nt,aa bb,1\ns,bb,2\n"),
        ("one_hot", "Id,aa,bb,more\nt,1,1,1\ns,0,1,2\n"),
        ("one_hot", "Id,Target,more\nt,aa bb,1\ns,bb,2\n"),
        ("long", "Id,Target,more\nt,aa,1\ns,bb,2\nt,bb,1\n"),
        ("long", "Id,Predicted,more\nt,aa bb,1\ns,bb,2\n"),
        ("long_one_hot", "Id,Target,more\nt_aa,1,1\nt_bb,1,1\ns_aa,0,2\ns_bb,1,2\n"),
        ("long_one_hot", "Id,Predicted,more\nt,aa bb,1\ns,bb,2\n"),
    ],
)
def test_known_labels_are_written_as_the_train_table_or_as_strings(tmp_path: Path, how: str, text: str) -> None:
    assert known_labels(tmp_path, how, text) == ({"t": [True, True], "s": [False, True]}, ["1", "2"])


@pytest.mark.parametrize(
    ("how", "text", "said"),
    [
        ("one_hot", "Id,aa\nt,1\n", "known.csv has no column 'bb': it has Id, aa; give each class its column, as in the train table"),
        ("one_hot", "Id,other\nt,1\n", "known.csv has no column 'aa': it has Id, other; give each class its column"),
        ("one_hot", "Id,aa,bb\nt,1,x\n", "known.csv: column bb: id t has 'x', neither 0 nor 1"),
        ("one_hot", "Id,aa,bb\nt,1,0\nt,1,0\n", "known.csv: id t appears twice"),
        ("long", "Id,aa\nt,1\n", "known.csv has no column 'Target' or 'Predicted': it has Id, aa; rename the one with labels"),
        ("long", "Id,Target\nt,aa\nt,aa\n", "known.csv: id t appears twice with the label 'aa'"),
        ("labels", "Id,Target\nt,aa\nt,bb\n", "known.csv: id t appears twice"),
        ("labels", "image,Target\nt,aa\n", "known.csv has no column 'Id': it has image, Target; name its column of ids Id"),
    ],
)
def test_what_is_wrong_with_known_labels_is_corrected_in_their_file(tmp_path: Path, how: str, text: str, said: str) -> None:
    with pytest.raises(DataError) as refused:
        known_labels(tmp_path, how, text)
    assert said in str(refused.value)
    assert "YAML" not in str(refused.value)
