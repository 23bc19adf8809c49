"""A feature table: numbers about each image (its size, an embedding, measurements of another program), joined by id."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from comp.base.errors import PredictionError


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
    table = _read(path, id_column)
    name = next((name for name in (id_column, "id") if name in table.columns), None)
    if name is None:
        raise PredictionError(f"{path} has no column {id_column!r} or 'id'", f"it has {', '.join(map(str, table.columns))}; rename one")
    found = table.pop(name).astype(str)
    if found.duplicated().any():
        raise PredictionError(f"{path} holds id {found[found.duplicated()].iloc[0]} twice", "keep one of its rows")
    if table.shape[1] == 0:
        raise PredictionError(f"{path} has no column other than the ids", "give every feature a column")
    for column, kind in table.dtypes.items():
        if not (pd.api.types.is_numeric_dtype(kind) or table[column].isna().all()):
            what = f"{path} has the column {column!r}, which is not numeric"
            raise PredictionError(what, "turn it into numbers (empty where unknown), or remove it")
    row = {image_id: number for number, image_id in enumerate(found)}
    if missing := [image_id for image_id in ids if image_id not in row]:
        then = "give every train and test image a row, with empty cells where nothing is known"
        raise PredictionError(f"{path} lacks {len(missing)} of {len(ids)} ids, e.g. {missing[0]}", then)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is refused below
        values = table.to_numpy(np.float32, na_value=np.nan)[[row[image_id] for image_id in ids]]
    if (infinite := np.isinf(values)).any():
        at, column = np.argwhere(infinite)[0]
        what = f"{path} holds an infinite value for id {ids[at]}, column {table.columns[column]!r}"
        raise PredictionError(what, "correct it, or leave the cell empty")
    return values


def _read(path: Path, id_column: str) -> pd.DataFrame:
    """The table, with its ids as text."""
    try:
        if path.suffix == ".csv":
            table = pd.read_csv(path, encoding="utf-8-sig", index_col=False)
            table = table.loc[:, ~table.columns.str.startswith("Unnamed: ")]
            names = [name for name in (id_column, "id") if name in table.columns]
            # read the ids a second time as text: an id may be 007 or NA
            as_text = pd.read_csv(path, encoding="utf-8-sig", index_col=False, usecols=names, dtype=str, keep_default_na=False)
            return table.assign(**{name: as_text[name] for name in names})
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
            return table.reset_index() if table.index.name in (id_column, "id") else table
    except FileNotFoundError:
        raise PredictionError(f"there is no {path}", "correct `features` in the stack's YAML") from None
    except (OSError, TypeError, ValueError, pa.ArrowException) as error:  # pandas' own errors are ValueErrors
        raise PredictionError(f"{path} cannot be read ({' '.join(str(error).split())[:120]})", "save the table again") from None
    raise PredictionError(f"{path} is neither .csv nor .parquet", "save the table as one of these")
