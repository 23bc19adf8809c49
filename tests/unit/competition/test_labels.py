import numpy as np
import pytest

from comp.base.errors import ConfigError, DataError
from comp.competition.labels import LabelSpace

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
    with pytest.raises(ConfigError, match="unknown class 'Rods': use a name or token of: Nucleoplasm, Nuclear membrane, Nucleoli"):
        SPACE.columns(["Rods"])
    with pytest.raises(ConfigError, match="unknown class 'nucleoplasm': did you mean 'Nucleoplasm'"):
        SPACE.columns(["nucleoplasm"])


def test_the_most_frequent_are_those_of_a_slow_count():
    rng = np.random.default_rng(0)
    for _ in range(20):
        matrix = rng.random((8, 3)) < 0.5
        counts = [int(column.sum()) for column in matrix.T]
        ranked = sorted(range(3), key=lambda column: (-counts[column], column))
        for count in (1, 2, 3):
            assert SPACE.most_frequent(matrix, count) == sorted(ranked[:count])
    with pytest.raises(ConfigError, match="there are no 4 classes: ask for at most 3"):
        SPACE.most_frequent(matrix, 4)


def test_a_class_subset_keeps_its_tokens():
    subset = SPACE.only([0, 2])
    assert subset == LabelSpace(("Nucleoplasm", "Nucleoli"), ("0", "2"))
    assert subset.strings(np.array([[True, True], [False, True]])) == ["0 2", "2"]


@pytest.mark.parametrize(("names", "tokens"), [(["a", "a"], ["0", "1"]), (["a", "b"], ["0", "0"]), (["a"], ["0", "1"]), ([], [])])
def test_contradictory_classes_are_refused(names, tokens):
    with pytest.raises(ConfigError):
        LabelSpace(tuple(names), tuple(tokens))


@pytest.mark.parametrize("separator", ["|", ";", ","])
def test_other_separators(separator):
    space = LabelSpace(("red", "light blue", "x"), ("red", "light blue", "x"), separator)
    matrix = space.multi_hot([f"red{separator}light blue", f" x {separator}", ""], ["a", "b", "c"], "train.csv")
    np.testing.assert_array_equal(matrix, [[1, 1, 0], [0, 0, 1], [0, 0, 0]])
    assert space.strings(matrix) == [f"red{separator}light blue", "x", ""]
    assert space.only([1, 2]).strings(matrix[:, 1:]) == ["light blue", "x", ""]


@pytest.mark.parametrize(("token", "separator"), [("light blue", " "), ("a|b", "|"), ("", " "), (" a", "|")])
def test_a_token_that_a_separator_divides_is_refused(token, separator):
    with pytest.raises(ConfigError, match="is divided by the separator"):
        LabelSpace(("one", "two"), ("x", token), separator)


def test_a_label_of_a_million_characters_gives_a_short_line():
    with pytest.raises(DataError) as caught:
        SPACE.multi_hot(["9" * 1_000_000], ["a"], "train.csv")
    assert "(1,000,000 characters)" in str(caught.value)
    assert len(str(caught.value)) < 250
