import numpy as np
import pytest

from comp.errors import ConfigError, DataError
from comp.labels import LabelSpace

SPACE = LabelSpace.numbered(["Nucleoplasm", "Nuclear membrane", "Nucleoli"])


def test_strings_become_a_matrix_and_come_back():
    matrix = SPACE.multi_hot(["2 0", "", "1"], ["a", "b", "c"], "train.csv")
    np.testing.assert_array_equal(matrix, [[1, 0, 1], [0, 0, 0], [0, 1, 0]])
    assert SPACE.strings(matrix) == ["0 2", "", "1"]


def test_unknown_label_names_file_and_id():
    with pytest.raises(DataError, match=r"train\.csv: unknown label '3' of id b"):
        SPACE.multi_hot(["0", "3"], ["a", "b"], "train.csv")


def test_columns_by_name_token_or_number():
    assert SPACE.columns(["Nucleoli", 0, "1"]) == [2, 0, 1]
    with pytest.raises(ConfigError, match="unknown class 'Nucleus'"):
        SPACE.columns(["Nucleus"])


@pytest.mark.parametrize(("names", "tokens"), [(["a", "a"], ["0", "1"]), (["a", "b"], ["0", "0"]), (["a"], ["0", "1"]), ([], [])])
def test_contradictory_classes_are_refused(names, tokens):
    with pytest.raises(ConfigError):
        LabelSpace(tuple(names), tuple(tokens))
