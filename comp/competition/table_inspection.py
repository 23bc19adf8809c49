"""Inspecting the tables of an unknown folder in Kaggle's layout: train table, sample submission, labels, groups."""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from comp.base.errors import DataError
from comp.competition.tables import read_csv

GROUP_COLUMNS = ("antibody", "patient", "group", "plate", "well", "slide")
LABEL_COLUMNS = ("target", "targets", "label", "labels", "class", "classes", "predicted")
TRAIN_TABLES = ("train.csv", "train_labels.csv", "training.csv")


@dataclass(frozen=True)
class FoundTables:
    """Names of the tables and their columns, the train table, and the ids of the sample submission."""

    train_file: str
    test_file: str
    id_column: str
    target_column: str
    predicted_column: str
    train: pd.DataFrame
    test_ids: tuple[str, ...]

    @property
    def train_ids(self) -> tuple[str, ...]:
        return tuple(self.train[self.id_column])

    @property
    def label_strings(self) -> tuple[str, ...]:
        return tuple(self.train[self.target_column])


@dataclass(frozen=True)
class FoundGroups:
    """A column that gives every train id its group."""

    file: str
    id_column: str
    column: str
    count: int


def find_tables(folder: Path) -> FoundTables:
    """The train table and the sample submission.

    Raises:
        DataError: one is missing, an id comes twice, or the labels are not one string per row.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}", "correct DATA")
    names = sorted(path.name for path in folder.glob("*.csv"))
    train_file = next((name for name in TRAIN_TABLES if name in names), None)
    if train_file is None:
        raise DataError(f"{folder} has no train.csv", f"its tables are {', '.join(names) or 'none'}; rename the one with the labels")
    test_file = next((name for name in names if re.sub("[^a-z]", "", name.lower()).startswith("samplesubmission")), None)
    if test_file is None:
        raise DataError(f"{folder} has no sample_submission.csv", "add it: it says which test ids a submission holds, and its columns")
    train, sample = read_csv(folder / train_file), read_csv(folder / test_file)
    if len(sample.columns) != 2:
        raise DataError(f"{folder / test_file} has {len(sample.columns)} columns", "it needs two: the id and one string of labels")
    id_column, predicted = (str(name) for name in sample.columns)
    if id_column not in train.columns:
        raise DataError(f"{folder / train_file} has no column {id_column!r} as {test_file} has", "give both the same name for the ids")
    for name, table in ((train_file, train), (test_file, sample)):
        if (repeated := table[id_column][table[id_column].duplicated()]).size:
            raise DataError(f"{folder / name}: id {repeated.iloc[0]} appears twice", "remove one of its rows")
    target = _target(folder / train_file, [str(name) for name in train.columns if name != id_column], predicted)
    return FoundTables(train_file, test_file, id_column, target, predicted, train, tuple(sample[id_column]))


def find_tokens(tables: FoundTables) -> tuple[str, ...]:
    """The tokens of the label strings: numbers in numerical order, then words in alphabetical order.

    Raises:
        DataError: labels are not separated by spaces, or there are none.
    """
    for image_id, string in zip(tables.train_ids, tables.label_strings, strict=True):
        if mark := re.search(r"[|;,]", string):
            raise DataError(f"{tables.train_file}: id {image_id} has labels with {mark[0]!r} between them", "separate them by spaces")
    tokens = {token for string in tables.label_strings for token in string.split()}
    if not tokens:
        raise DataError(f"{tables.train_file} has no label in its column {tables.target_column!r}", "check the file")
    return tuple(sorted(tokens, key=lambda token: (not token.isdecimal(), int(token) if token.isdecimal() else 0, token)))


def find_groups(folder: Path, tables: FoundTables) -> FoundGroups | None:
    """A column in which train ids share values: in any other table with all train ids, or in the train table if its name says group."""
    candidates = []
    for path in sorted(folder.glob("*.csv")):
        if path.name == tables.test_file:
            continue
        own = path.name == tables.train_file
        table = tables.train if own else read_csv(path)
        found = [str(column) for column in table.columns if set(tables.train_ids) <= set(table[column])]
        if not found:
            continue
        table = table[table[found[0]].isin(tables.train_ids)]
        for column in (str(name) for name in table.columns if name != found[0]):
            rank = next((place for place, name in enumerate(GROUP_COLUMNS) if name in column.lower()), len(GROUP_COLUMNS))
            may_be_groups = column.lower() not in LABEL_COLUMNS and (rank < len(GROUP_COLUMNS) or not own)
            if may_be_groups and 1 < table[column].nunique() < len(table):
                candidates.append((rank, FoundGroups(path.name, found[0], column, table[column].nunique())))
    return min(candidates, key=lambda candidate: candidate[0])[1] if candidates else None


def _target(path: Path, columns: list[str], predicted: str) -> str:
    """The column with the labels."""
    if len(columns) == 1:
        return columns[0]
    named = [column for column in columns if column == predicted or column.lower() in LABEL_COLUMNS]
    if len(named) != 1:
        raise DataError(f"{path} has the columns {', '.join(columns[:6])}", "name the one with the labels (separated by spaces) Target")
    return named[0]
