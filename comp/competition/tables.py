"""The tables of a competition: train ids with labels, test ids, groups."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from comp.base.errors import DataError
from comp.base.paths import Paths
from comp.competition.competition import Competition


def read_ids(path: Path, column: str, then: str) -> tuple[str, ...]:
    """The ids in a column of a CSV, in the file's order. `then` says what to do if the file is missing.

    Raises:
        DataError: the file or the column is missing, or an id is empty or comes twice.
    """
    return tuple(_read_table(path, [column], then)[column])


def read_train(competition: Competition, paths: Paths) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    """Ids and labels (N, C) of the train table.

    Raises:
        DataError: the file or a column is missing, an id is empty or comes twice, or a label is unknown; the message names it.
    """
    path = competition.folder(paths) / competition.tables.train
    table = _read_table(path, [competition.columns.id, competition.columns.target], _how_to_get(competition))
    ids = tuple(table[competition.columns.id])
    return ids, competition.labels.multi_hot(table[competition.columns.target], ids, str(path))


def read_test_ids(competition: Competition, paths: Paths) -> tuple[str, ...]:
    """The ids of the sample submission, in its order."""
    return read_ids(competition.folder(paths) / competition.tables.test, competition.columns.id, _how_to_get(competition))


def read_groups(competition: Competition, paths: Paths, ids: tuple[str, ...]) -> tuple[str, ...] | None:
    """The group of each train id, or None if the competition has no groups.

    Raises:
        DataError: an id has no row in the table.
    """
    if competition.groups is None:
        return None
    path = competition.folder(paths) / competition.groups.table
    table = _read_table(path, [competition.groups.id, competition.groups.column], _how_to_get(competition))
    group_of = dict(zip(table[competition.groups.id], table[competition.groups.column], strict=True))
    for image_id in ids:
        if image_id not in group_of:
            raise DataError(f"{path}: id {image_id} has no row", "add its group, or remove `groups` from the competition's YAML")
    return tuple(group_of[image_id] for image_id in ids)


def read_csv(path: Path) -> pd.DataFrame:
    """A CSV with all values as text.

    Raises:
        DataError: it cannot be read as CSV.
    """
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(f"{path} cannot be read as CSV ({' '.join(str(error).split())})", "check the file") from None


def _how_to_get(competition: Competition) -> str:
    return f"get the data with: make data COMP={competition.name}"


def _read_table(path: Path, columns: list[str], then: str) -> pd.DataFrame:
    if not path.exists():
        raise DataError(f"there is no {path}", then)
    table = read_csv(path)
    for column in columns:
        if column not in table.columns:
            then = f"it has {', '.join(table.columns)}; correct `columns` in the competition's YAML"
            raise DataError(f"{path} has no column {column!r}", then)
    ids = table[columns[0]]
    if (repeated := ids[ids.duplicated()]).size:
        raise DataError(f"{path}: id {repeated.iloc[0]} appears twice", "remove one of its rows")
    if (ids.str.strip() == "").any():
        raise DataError(f"{path}: row {int((ids.str.strip() == '').argmax()) + 2} has no id", "give it one, or remove it")
    return table
