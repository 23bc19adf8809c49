"""Inspecting the tables of an unknown folder: which holds the train labels and which the test ids, and in what form."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from comp.base.errors import DataError
from comp.competition.competition import Columns
from comp.competition.csv_file import read_csv
from comp.competition.file_finder import FileFinder
from comp.competition.ids import check_ids, shorten
from comp.competition.label_forms import are_ones, joined_ids
from comp.competition.labels import split_labels
from comp.competition.tables import label_strings

LABEL_COLUMNS = ("target", "targets", "label", "labels", "class", "classes", "predicted")
NO_LABELS = ("nan", "na", "n/a", "null", "none")  # what programs write for an empty cell
LEAST_REPEATED = 0.01  # share of ids that have several rows in a table with a row for each label; fewer are taken for mistakes
_TRAIN: tuple[Callable[[str], bool], ...] = (  # by the letters of their names; the first rule that finds a table decides
    lambda name: name == "train",
    lambda name: name in ("trainlabels", "training", "traininglabels"),
    lambda name: "train" in name and "label" in name,
    lambda name: "train" in name,
    lambda name: "label" in name and "test" not in name,
)
_TEST: tuple[Callable[[str], bool], ...] = (
    lambda name: "samplesub" in name,
    lambda name: name == "test",
    lambda name: name.startswith("test") and "label" not in name,
)


@dataclass(frozen=True)
class FoundTables:
    """The tables of a folder.

    Attributes:
        columns: names of the columns, and how labels are written.
        tokens: of the labels: numbers in numerical order, then words in alphabetical order; or as the table names its classes.
        train_ids, label_strings: the ids, and the label string of each.
        separators: of the columns in the train and the test table.
        test_columns: of the test table.
    """

    train_file: str
    test_file: str
    columns: Columns
    tokens: tuple[str, ...]
    train_ids: tuple[str, ...]
    label_strings: tuple[str, ...]
    test_ids: tuple[str, ...]
    separators: tuple[str, str]
    test_columns: tuple[str, ...]

    @property
    def labels(self) -> list[list[str]]:
        """The tokens of each train id."""
        return [split_labels(string, self.columns.separator) for string in self.label_strings]


def table_names(folder: Path) -> list[str]:
    """The tables of a folder: CSV and TSV files that are not hidden."""
    return sorted(path.name for path in folder.iterdir() if path.suffix.lower() in (".csv", ".tsv") and not path.name.startswith("."))


def find_tables(folder: Path) -> FoundTables:
    """The train table, and the sample submission or another table of the test ids.

    Raises:
        DataError: one is missing or cannot be read, an id is unsafe or comes twice, or the labels are in no known form.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}", "correct DATA")
    names = table_names(folder)
    test_file = _choose(folder, names, _TEST)
    train_file = _choose(folder, [name for name in names if name != test_file], _TRAIN)
    if train_file is None:
        raise DataError(f"{folder} has no train.csv", f"its tables are {', '.join(names) or 'none'}; rename the one with the labels")
    if test_file is None:
        raise DataError(f"{folder} has no sample_submission.csv", "add it, or a test.csv: it says which test ids a submission holds")
    train, test = read_csv(folder / train_file), read_csv(folder / test_file)
    id_column = next((name for name in test.columns if name in train.columns), None)
    if id_column is None or ("samplesub" in _letters(test_file) and id_column != test.columns[0]):
        what = f"{folder / train_file} has no column {shorten(str(test.columns[0]))!r} as {test_file} has"
        raise DataError(what, "give both the same name for the ids")
    columns = _columns(folder, train_file, train, test, id_column)
    classes = _classes(train, test, columns)
    ids, strings = label_strings(train, columns, classes, folder / train_file)
    check_ids(ids, folder / train_file)
    if not any(strings):
        raise DataError(f"{folder / train_file} has no label in any of its {len(ids):,} rows", "check the column with the labels")
    tokens = tuple(classes or _tokens(ids, strings, columns, folder / train_file))
    test_ids = joined_ids(list(test[id_column]), tokens) if columns.form == "long_one_hot" else tuple(test[id_column])
    test_ids = tuple(dict.fromkeys(test_ids)) if columns.form == "long" else test_ids
    check_ids(test_ids, folder / test_file)
    separators = (train.attrs["separator"], test.attrs["separator"])
    return FoundTables(
        train_file,
        test_file,
        columns,
        tokens,
        ids,
        strings,
        test_ids,
        separators,
        tuple(str(name) for name in test.columns),
    )


def _choose(folder: Path, names: Sequence[str], rules: Sequence[Callable[[str], bool]]) -> str | None:
    for rule in rules:
        fitting = [name for name in names if rule(_letters(name))]
        if len(fitting) > 1:
            raise DataError(f"{folder} has {' and '.join(fitting[:4])}", "rename the one to be used train.csv or sample_submission.csv")
        if fitting:
            return fitting[0]
    return None


def _letters(name: str) -> str:
    return re.sub("[^a-z]", "", name.rpartition(".")[0].lower())


def _columns(folder: Path, train_file: str, train: pd.DataFrame, test: pd.DataFrame, id_column: str) -> Columns:
    """The columns, and the form of the labels."""
    path = folder / train_file
    others = [str(name) for name in train.columns if name != id_column]
    in_test = [str(name) for name in test.columns if name != id_column]
    named = [name for name in others if (len(in_test) == 1 and name == in_test[0]) or name.lower() in LABEL_COLUMNS]
    if len(others) != 1 and len(named) != 1:
        classes = _one_hot_classes(train, test, id_column)
        if len(classes) < 2:
            then = "name the one with the labels Target, or give each class a column of 0 and 1"
            raise DataError(f"{path} has the columns {shorten(', '.join(others))}", then)
        return Columns(id=id_column, form="one_hot", separator=_separator_between(classes))
    target = others[0] if len(others) == 1 else named[0]
    predicted = in_test[0] if len(in_test) == 1 else target
    ids, values = list(train[id_column]), list(train[target])
    columns = Columns(id=id_column, target=target, predicted=predicted)
    if _joins_ids_and_classes(folder, ids, values):
        return columns.model_copy(
            update={"form": "long_one_hot", "separator": _separator_between({name.rpartition("_")[2] for name in ids})}
        )
    separator = _separator_within(ids, values, path)
    counts = Counter(ids)
    several = sum(count > 1 for count in counts.values())
    if len(counts) > 1 and several >= LEAST_REPEATED * len(counts) and several and separator is None:
        return columns.model_copy(update={"form": "long", "separator": _separator_between(set(values))})
    return columns.model_copy(update={"separator": separator or " "})


def _classes(train: pd.DataFrame, test: pd.DataFrame, columns: Columns) -> list[str]:
    """The classes that the table itself names; none if they are to be gathered from its labels."""
    if columns.form == "one_hot":
        return _one_hot_classes(train, test, columns.id)
    if columns.form == "long_one_hot":
        return list(dict.fromkeys(name.rpartition("_")[2] for name in train[columns.id]))
    return []


def _one_hot_classes(train: pd.DataFrame, test: pd.DataFrame, id_column: str) -> list[str]:
    """The columns with 0 and 1 only; those that the test table has too, if it has several."""
    ones = [str(name) for name in train.columns if name != id_column and are_ones(train[name])]
    shared = [name for name in ones if name in test.columns]
    return shared if len(shared) > 1 else ones


def _joins_ids_and_classes(folder: Path, ids: Sequence[str], values: Sequence[str]) -> bool:
    """Whether the ids are those of images, each joined by _ to each class, with 0 or 1: unless files have the whole ids as names."""
    if not are_ones(values) or not all("_" in name for name in ids):
        return False
    split = [name.rpartition("_") for name in ids]
    images, classes = {image_id for image_id, _, _ in split}, {token for _, _, token in split}
    if min(len(images), len(classes)) < 2 or len(images) * len(classes) != len(set(ids)) or all(token.isdecimal() for token in classes):
        return False
    return not any(ids[0] in name for name in FileFinder(folder).names)


def _separator_within(ids: Sequence[str], values: Sequence[str], path: Path) -> Any:
    """What stands between the labels of a string; None if no string has several labels."""
    found: dict[str, str] = {}
    for image_id, value in zip(ids, values, strict=True):
        if re.match(r"\s*[\[({]", value):
            raise DataError(f"{path}: id {shorten(image_id)} has labels in brackets", "write them with spaces between them, without quotes")
        for mark in "|;,":
            if mark in value:
                found.setdefault(mark, image_id)
    if len(found) > 1:
        some = " and ".join(f"{mark!r} (id {shorten(image_id)})" for mark, image_id in found.items())
        raise DataError(f"{path} has labels with {some} between them", "use one separator in all rows")
    if found:
        return next(iter(found))
    return " " if any(len(value.split()) > 1 for value in values) else None


def _separator_between(tokens: Sequence[str] | set[str]) -> Any:
    """A separator that no token holds."""
    joined = "".join(token.strip() for token in tokens)
    return " " if not re.search(r"\s", joined) else next((mark for mark in "|;," if mark not in joined), " ")


def _tokens(ids: Sequence[str], strings: Sequence[str], columns: Columns, path: Path) -> list[str]:
    """The labels that occur, in order."""
    first_with: dict[str, str] = {}
    for image_id, string in zip(ids, strings, strict=True):
        for token in split_labels(string, columns.separator):
            first_with.setdefault(token, image_id)
    for token in first_with:
        if token.lower() in NO_LABELS:
            what = f"{path}: id {first_with[token]} has the label {token!r}"
            raise DataError(what, "leave the cell empty if it has no label; rename the class if it is one")
    return sorted(first_with, key=lambda token: (not token.isdecimal(), int(token) if token.isdecimal() else 0, token))
