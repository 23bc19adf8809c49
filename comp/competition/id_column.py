"""The column of ids of a table."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from comp.base.errors import DataError
from comp.competition.csv_file import read_csv
from comp.competition.ids import check_ids, shorten
from comp.competition.label_forms import Form, joined_ids


def read_ids(path: Path, column: str, then: str, key: str = "") -> tuple[str, ...]:
    """The ids in a column of a CSV, in the file's order. `then` and `key` are those of `read_table`.

    Raises:
        DataError: the file or the column is missing, or an id is unsafe or comes twice.
    """
    ids = tuple(read_table(path, [column], then, key)[column])
    check_ids(ids, path)
    return ids


def ids_of_rows(path: Path, column: str, form: Form, tokens: Sequence[str], then: str, key: str = "") -> tuple[str, ...]:
    """The ids of a table with the rows of a submission, in its order, each once.

    Args:
        form, tokens: how the competition writes labels, and the tokens of its classes.
        then, key: those of `read_table`.

    Raises:
        DataError: as `read_ids`.
    """
    if form in ("labels", "one_hot"):
        return read_ids(path, column, then, key)
    names = tuple(read_table(path, [column], then, key)[column])
    ids = joined_ids(names, tokens) if form == "long_one_hot" else tuple(dict.fromkeys(names))
    check_ids(ids, path)
    return ids


def read_table(path: Path, columns: list[str], then: str, key: str = "") -> pd.DataFrame:
    """A CSV that has these columns; all values are text.

    Args:
        columns: names; where there is no `key`, that of the ids alone.
        then: what to do if the file is missing.
        key: of the competition's YAML that names the columns of this file; without one, the file itself is to be corrected.

    Raises:
        DataError: the file or a column is missing, or it cannot be read.
    """
    if not path.exists():
        raise DataError(f"there is no {path}", then)
    table = read_csv(path)
    for column in columns:
        if column not in table.columns:
            correct = f"correct `{key}` in the competition's YAML" if key else f"name its column of ids {shorten(column)}"
            raise DataError(f"{path} has no column {shorten(column)!r}", f"it has {shorten(', '.join(table.columns))}; {correct}")
    return table
