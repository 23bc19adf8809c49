"""The fold map: its file, its fingerprint, known groups; maps that are refused."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from comp.base.errors import FoldError
from comp.competition.competition import FoldPlan
from comp.folds.assignment import assign_folds
from comp.folds.fold_map import FoldMap
from tests.unit.folds.tables import random_table


def test_a_row_is_known_if_another_fold_has_rows_of_its_group() -> None:
    rng = np.random.default_rng(0)
    fold, group = rng.integers(-1, 4, 300).astype(np.int8), rng.integers(0, 120, 300).astype(str)
    folds = FoldMap(tuple(map(str, range(300))), fold, tuple(group))
    expected = [any(fold[other] not in (-1, fold[row]) for other in np.flatnonzero(group == group[row])) for row in range(300)]
    assert folds.known().tolist() == expected
    assert 0 < sum(expected) < 300


def test_a_map_is_read_as_it_was_written(tmp_path: Path) -> None:
    ids, labels = random_table(50)
    plan = FoldPlan(count=3, split_groups=1, holdout=0)
    folds = assign_folds(ids, labels, plan, groups=["NA", 'with, "comma"', "ä"] * 16 + ["", ""])
    folds.write(tmp_path / "new" / "folds.csv")
    back = FoldMap.read(tmp_path / "new" / "folds.csv")
    assert (back.ids, back.group, back.fingerprint) == (folds.ids, folds.group, folds.fingerprint)
    assert back.fold.dtype == np.int8
    assert back.fold.tolist() == folds.fold.tolist()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["folds.csv"]


def test_the_fingerprint_sees_every_column() -> None:
    def fingerprint(ids: str = "abcd", fold: tuple[int, ...] = (0, 1, 0, 1), group: str = "xyxy") -> str:
        return FoldMap(tuple(ids), np.array(fold, np.int8), tuple(group)).fingerprint

    assert len({fingerprint(), fingerprint(ids="abce"), fingerprint(fold=(1, 0, 0, 1)), fingerprint(group="xyxz")}) == 4
    assert fingerprint() == fingerprint(ids="dcba", fold=(1, 0, 1, 0), group="yxyx")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "there is no"),
        ("", "is not a CSV table"),
        ("\x00\xff\xfe", "folds.csv"),
        ("id,fold\na,0\nb,1\n", "no column 'group'"),
        ("id,fold,group\na,0,x\na,1,y\n", "id a comes twice"),
        ("id,fold,group\na,0,x\nb,2,y\n", "the folds are [0, 2]"),
        ("id,fold,group\na,1,x\nb,2,y\n", "the folds are [1, 2]"),
        ("id,fold,group\na,0,x\nb,0,y\n", "the folds are [0]"),
        ("id,fold,group\n", "the folds are []"),
        ("id,fold,group\na,0,x\nb,one,y\n", "fold 'one' of id b"),
        ("id,fold,group\na,0,x\nb,1.5,y\n", "fold '1.5' of id b"),
        ("id,fold,group\na,0,x\nb,-2,y\n", "fold '-2' of id b"),
        ("id,fold,group\na,0,x\nb,300,y\n", "fold '300' of id b"),
        ("id,fold,group\na,0,x\nb,1,y,z,q\n", "is not a CSV table"),
        ("id,fold,group\na,0,x\nb,1\n", "is not a CSV table (row 3 has 2 fields, the header 3)"),
        ("id,fold,group\na,0,x\nb,1,\n", "id b has no group"),
        ("id,fold,group\nq,a,0,x\nq,b,1,y\n", "is not a CSV table (row 2 has 4 fields, the header 3)"),
        ('id,fold,group\na,0,x\nb,1,"y\n', "is not a CSV table"),
        ("id,fold,group\na,0,x\nb,1,y\0\n", "is not a CSV table (holds NUL bytes"),
        ("id,fold,group\na,0,x\nb,1,\xe9\n", "is not a CSV table (is not UTF-8"),
    ],
)
def test_broken_maps_are_refused_by_name(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "folds.csv"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(FoldError) as caught:
        FoldMap.read(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "make folds" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_something_else_in_place_of_a_map_is_refused_at_once(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "folds.csv")
    with pytest.raises(FoldError, match=r"folds\.csv is not a CSV table \(.*(a folder|no regular file).*\): run `make folds`"):
        FoldMap.read(tmp_path / "folds.csv")


def test_a_map_may_be_separated_by_semicolons(tmp_path: Path) -> None:
    (tmp_path / "folds.csv").write_text("\ufeffid;fold;group\na;0;x\nb;1;y\n")
    assert FoldMap.read(tmp_path / "folds.csv").ids == ("a", "b")


def test_a_map_of_other_ids_is_refused() -> None:
    folds = FoldMap(("a", "b", "c"), np.array([0, 1, 0], np.int8), ("a", "b", "c"))
    folds.check_ids(["c", "a", "b"])
    with pytest.raises(FoldError, match=r"lacks 1 ids that train.csv has, e.g. d"):
        folds.check_ids(["a", "b", "c", "d"])
    with pytest.raises(FoldError, match=r"has 2 ids that train.csv does not have, e.g. b"):
        folds.check_ids(["a"])
    with pytest.raises(FoldError, match="twice"):
        folds.in_order(["a", "b", "c", "a"])
