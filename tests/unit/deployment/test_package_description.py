"""package.yaml: what is written is read; anything else is one line."""

import re
from dataclasses import replace

import pytest

from comp.base.errors import PredictionError
from comp.deployment.package_description import PackageDescription, fingerprint_of, read_description

IDS = ("c", "a", "b", "d")
DESCRIBED = PackageDescription(
    competition="zellen", title="Zellen: ein Test", id_column="Id", label_column="Predicted", form="long",
    classes=("Zellkern", "Größe"), tokens=("0", "1e3"), separator="|", pattern="**/{id}.*", channels=("no", "yes"), levels=(0.0, 4095.0),
    stack="default", folds=5, models=("a", "b"), test_images=fingerprint_of(IDS), copies=(("a", "d"),),
)  # fmt: skip


@pytest.mark.parametrize("described", [DESCRIBED, replace(DESCRIBED, levels=None, copies=())])
def test_it_is_read_as_it_was_written(tmp_path, described):
    described.write(tmp_path / "package.yaml")
    assert read_description(tmp_path / "package.yaml") == described


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("folds: 5", "folds: five"), ("folds: 5", "fold: 5"), ("folds: 5\n", ""), ("folds: 5", "folds: [5]"), ("form: long", "form: wide"),
        ("- '0'", "- 0"), ("stack: default", "stack: 7"), ("copies:\n- - a\n  - d", "copies: 3"), ("- 4095.0", "- many"),
        ("competition: zellen", "competition: [zellen"), ("competition: zellen", "\0"),
        ("folds: 5", "folds: 0"), ("folds: 5", "folds: 4"), ("sha256: ", "sha256: 0"), ("sha256: ", "sha: "),
    ],
)  # fmt: skip
def test_a_changed_one_is_one_line(tmp_path, before, after):
    path = tmp_path / "package.yaml"
    DESCRIBED.write(path)
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    with pytest.raises(
        PredictionError, match=re.escape(f"{path} is damaged or was changed: copy the package again from where it was made")
    ):
        read_description(path)


def test_copies_count_only_among_the_test_images():
    assert DESCRIBED.numbered(IDS).tolist() == [0, 1, 2, 1]
    assert DESCRIBED.numbered(("d", "c", "b", "a")).tolist() == [3, 1, 2, 3]
    assert DESCRIBED.numbered(("a", "d")).tolist() == [0, 1]
