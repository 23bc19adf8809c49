"""A feature table: numbers about each image (its size, an embedding, measurements of another program), joined by id."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import PredictionError
from comp.predictions.table_file import NAMELESS, Table, as_numbers, as_text, check_is_file, named_columns, read_parquet, read_rows


def read_features(path: Path, ids: Sequence[str], id_column: str) -> NDArray[np.float32]:
    """The numeric columns (N, F) of a CSV or Parquet table, rows in the order of `ids`; NaN where a cell is empty.

    Columns without a name are ignored: they are row numbers that pandas wrote.

    Args:
        ids: the table must have a row for each; it may have more, e.g. train and test images together.
        id_column: name of the column of ids; "id" is accepted too.

    Raises:
        PredictionError: no such table, no column of ids, an id twice or missing, a column that is not numeric, an infinite value,
            or no column other than the ids.
    """
    table = _read(path)
    name = next((name for name in (id_column, "id") if name in table), None)
    if name is None:
        raise PredictionError(f"{path} has no column {id_column!r} or 'id'", f"it has {', '.join(table)}; rename one")
    found = as_text(table.pop(name))
    if len(set(found)) != len(found):
        repeated = next(image_id for image_id, count in Counter(found).items() if count > 1)
        raise PredictionError(f"{path} holds id {repeated} twice", "keep one of its rows")
    for nameless in NAMELESS:
        table.pop(nameless, None)
    if not table:
        raise PredictionError(f"{path} has no column other than the ids", "give every feature a column")
    row = {image_id: number for number, image_id in enumerate(found)}
    if missing := [image_id for image_id in ids if image_id not in row]:
        then = "give every train and test image a row, with empty cells where nothing is known"
        raise PredictionError(f"{path} lacks {len(missing)} of {len(ids)} ids, e.g. {missing[0]}", then)
    columns = []
    for column, values in table.items():
        try:
            columns.append(as_numbers(values))
        except ValueError as error:
            what = f"{path} has the column {column!r}, which is not numeric ({error})"
            raise PredictionError(what, "turn it into numbers (empty where unknown), or remove it") from None
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is refused below
        made = np.column_stack(columns)[[row[image_id] for image_id in ids]].astype(np.float32)
    if (infinite := np.isinf(made)).any():
        at, number = np.argwhere(infinite)[0]
        what = f"{path} holds an infinite value for id {ids[at]}, column {list(table)[number]!r}"
        raise PredictionError(what, "correct it, or leave the cell empty")
    return made


def _read(path: Path) -> Table:
    check_is_file(path, "correct `features` in the stack's YAML")
    ending = path.suffix.lower()
    if ending not in (".csv", ".parquet"):
        raise PredictionError(f"{path} is neither .csv nor .parquet", "save the table as one of these")
    return read_parquet(path) if ending == ".parquet" else named_columns(path, read_rows(path))
