"""The sidecar of a submission: the score to expect and the class subset, or an error that names the file."""

import json
import os
from pathlib import Path

import pytest

from comp.base.errors import SubmissionError
from comp.competition.competition import Competition
from comp.submission.sidecar import class_subset, expected_score, read_sidecar

COMPETITION = Competition(name="tiny", title="Tiny", data="data", classes=("Nucleus", "Cytosol", "Rods"))


def test_a_csv_made_elsewhere_has_an_empty_sidecar_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    assert read_sidecar(path) == {}
    assert expected_score(path) is None
    path.with_suffix(".json").write_text("{")
    with pytest.raises(SubmissionError, match=r"mine\.json cannot be read as JSON"):
        read_sidecar(path)
    for damaged in (b"\xff\xfe\x00", b"", b"[" * 100_000, b"[1]", b"\0"):
        path.with_suffix(".json").write_bytes(damaged)
        with pytest.raises(SubmissionError, match=r"mine\.json (cannot be read as|holds no) JSON"):
            read_sidecar(path)
    path.with_suffix(".json").unlink()
    os.mkfifo(path.with_suffix(".json"))
    with pytest.raises(SubmissionError, match=r"mine\.json is not a regular file: remove it"):
        read_sidecar(path)
    path.with_suffix(".json").unlink()
    path.with_suffix(".json").write_text('{"nested": {"score": 0.5}}')
    with pytest.raises(SubmissionError, match=r"mine\.json: nested has no value and error"):
        expected_score(path)


@pytest.mark.parametrize("classes", ["Nucleus", 5, ["Nucleus", 5], ["Golgi"], [["Nucleus"]]])
def test_a_class_subset_is_of_the_competitions_classes(tmp_path: Path, classes: object) -> None:
    path = tmp_path / "mine.csv"
    assert class_subset(path, COMPETITION) == []
    names = list(COMPETITION.classes)
    for subset, columns in ((names, []), (names[:2], [0, 1]), (names[1:2], [1])):
        path.with_suffix(".json").write_text(json.dumps({"classes": subset}))
        assert class_subset(path, COMPETITION) == columns
    path.with_suffix(".json").write_text(json.dumps({"classes": classes}))
    with pytest.raises(SubmissionError, match=r"mine\.json: `classes` are not the competition's"):
        class_subset(path, COMPETITION)
