"""The list of near-duplicates among the test images."""

import numpy as np
import pytest

from comp.base.errors import DataError
from comp.base.paths import Paths
from comp.base.schema import parse
from comp.competition.competition import Competition
from comp.stacking import test_duplicates

IDS = ("e", "d", "c", "b", "a")


def written(tmp_path, text):
    paths = Paths("tiny", tmp_path)
    paths.test_duplicates().parent.mkdir(parents=True)
    paths.test_duplicates().write_text(text)
    return paths


def test_without_a_list_every_image_is_its_own(tmp_path):
    assert test_duplicates.test_duplicates(Paths("tiny", tmp_path), IDS).tolist() == [0, 1, 2, 3, 4]


def test_chains_are_one_component(tmp_path):
    paths = written(tmp_path, "id_a,id_b,bits\na,c,3\nc,e,4\n")
    found = test_duplicates.test_duplicates(paths, IDS)
    assert found[0] == found[2] == found[4]
    assert len(set(found.tolist())) == 3


def test_ids_that_look_like_numbers_or_nothing_stay_text(tmp_path):
    paths = written(tmp_path, "id_a,id_b\n007,NA\n")
    assert len(set(test_duplicates.test_duplicates(paths, ("007", "7", "NA")).tolist())) == 2


def competition(**changes):
    values = {"name": "tiny", "title": "Tiny", "data": "data/tiny", "classes": ["a", "b"], **changes}
    return parse(Competition, values, "tiny.yaml")


def test_a_list_that_nobody_made_is_said_with_the_command_that_makes_it(tmp_path):
    line = test_duplicates.what_is_averaged(competition(), Paths("tiny", tmp_path), np.arange(5))
    assert line.startswith(f"note: there is no {tmp_path}/data/tiny.cache/test-duplicates.csv, so near-duplicates among the test ")
    assert line.endswith("make folds COMP=tiny")
    assert "\n" not in line


@pytest.mark.parametrize("changes", [{"images": None}, {"folds": {"duplicates": False}}])
def test_nothing_is_said_where_no_list_is_wanted(tmp_path, changes):
    assert test_duplicates.what_is_averaged(competition(**changes), Paths("tiny", tmp_path), np.arange(5)) is None


def test_a_list_is_said_with_the_number_of_copies_and_an_empty_one_is_not(tmp_path):
    paths = written(tmp_path, "id_a,id_b\na,c\nc,e\n")
    groups = test_duplicates.test_duplicates(paths, IDS)
    assert "test-duplicates.csv: 2 of 5 test images copy others" in test_duplicates.what_is_averaged(competition(), paths, groups)
    assert test_duplicates.what_is_averaged(competition(), paths, np.arange(5)) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id_a,id_b\na,z\n", "test-duplicates.csv: id z of the list of near-duplicates is not in the table: remove it, then: make folds"),
        ("id_a,other\na,b\n", "test-duplicates.csv has no column 'id_b'"),
        ("", "test-duplicates.csv has no column 'id_a'"),
        ('id_a,id_b\n"a,b\n', "test-duplicates.csv cannot be read as CSV"),
    ],
)
def test_bad_lists_are_refused(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        test_duplicates.test_duplicates(written(tmp_path, text), IDS)
