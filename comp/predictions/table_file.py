"""Tables made elsewhere, CSV or Parquet: columns by name, read as text or as numbers. Ids are text, whatever they look like."""

import csv
import io
import stat
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from comp.base.errors import PredictionError
from comp.base.files import read_bytes
from comp.competition.csv_file import find_separator

Table = dict[str, pa.ChunkedArray]  # name -> column; the name of a column without one is ""
NAMELESS = ("", "Unnamed: 0")  # how pandas writes a column of row numbers, and what it calls it when it reads the file again
INDEX = "__index_level_"  # how pandas names an index without a name in Parquet
MOST = 80  # characters of a cell, an id or another library's error that a message repeats


def check_is_file(path: Path, then: str = "check the path") -> None:
    """Raise PredictionError unless `path` is a regular file; nothing is opened, so a FIFO does not block."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise PredictionError(f"there is no {path}", then) from None
    except (OSError, ValueError) as error:
        raise PredictionError(f"{path} cannot be read ({getattr(error, 'strerror', error)})", then) from None
    if not stat.S_ISREG(mode):
        raise PredictionError(f"{path} is {'a folder' if stat.S_ISDIR(mode) else 'not a regular file'}", "give a file")


def read_rows(path: Path, separator: str | None = None) -> list[list[str]]:
    """The rows of a CSV, fields as text; blank lines are left out.

    Args:
        separator: between fields; without it, the one of comma, semicolon, tab and | that fits.

    Raises:
        PredictionError: it is no regular file, is empty or is not CSV in UTF-8.
    """
    check_is_file(path)
    try:
        text = read_bytes(path).decode("utf-8-sig")
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator or find_separator(text), strict=True)
        rows = [row for row in lines if any(map(str.strip, row))]
    except OSError as error:
        raise PredictionError(f"{path} cannot be read ({error.strerror})", "check the path") from None
    except UnicodeDecodeError:
        raise PredictionError(f"{path} cannot be read as CSV (it is not text in UTF-8)", "save it as CSV in UTF-8") from None
    except csv.Error as error:
        raise PredictionError(f"{path} cannot be read as CSV ({error})", "save it again") from None
    if not rows:
        raise PredictionError(f"{path} cannot be read as CSV (it is empty)", "save it again")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(rows[0]):
            then = "give every row all fields; numbers have a decimal point, never a comma"
            raise PredictionError(f"{path} cannot be read as CSV (row {number} has {len(row)} fields, not {len(rows[0])})", then)
    return rows


def named_columns(path: Path, rows: list[list[str]]) -> Table:
    """The columns of a CSV whose first row holds their names.

    Raises:
        PredictionError: two columns have one name.
    """
    names = [name.strip() for name in rows[0]]
    _check_unique(path, names)
    columns = list(zip(*rows[1:], strict=True)) or [()] * len(names)
    return {name: pa.chunked_array([pa.array(column, pa.string())]) for name, column in zip(names, columns, strict=True)}


def read_parquet(path: Path) -> Table:
    """The columns of a Parquet file, with its index if that is stored; page checksums are verified where the file has them.

    Raises:
        PredictionError: it is no regular file or is damaged, or two columns have one name.
    """
    check_is_file(path)
    try:
        file = pq.ParquetFile(pa.BufferReader(read_bytes(path)), page_checksum_verification=True)
        names = ["" if name.startswith(INDEX) else name for name in file.schema_arrow.names]
        _check_unique(path, names)
        return dict(zip(names, file.read(use_threads=False).columns, strict=True))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise PredictionError(f"{path} cannot be read ({short_reason(error)})", "save it again") from None


def as_text(column: pa.ChunkedArray) -> tuple[str, ...]:
    """A column of ids as text; whole numbers are written without a point, bytes are UTF-8."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    values = column.to_pylist()
    return tuple(value.decode(errors="replace") if isinstance(value, bytes) else "" if value is None else str(value) for value in values)


def as_numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """A column as numbers, NaN where a cell is empty; True is 1.

    Raises:
        ValueError: a cell is not a real number; the message names it.
    """
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return column.to_numpy().astype(np.float64)
    return np.array([_number(value) for value in column.to_pylist()], np.float64)


def short_reason(error: Exception) -> str:
    return shown(" ".join(str(error).split())) or type(error).__name__


def shown(text: str) -> str:
    """Text of a file for a message of one line: not too long, and with quotes if it is not plain."""
    plain = text if text.isprintable() and text == text.strip() else repr(text)
    return plain if len(plain) <= MOST else f"{plain[:MOST]}... ({len(text):,} characters)"


def _number(value: object) -> float:
    if value is None or isinstance(value, (bool, int, float)):
        return np.nan if value is None else float(value)
    text = str(value).strip()
    if text.lower() in ("", "true", "false"):
        return {"": np.nan, "true": 1.0, "false": 0.0}[text.lower()]
    try:
        if "_" not in text:
            return float(text)
    except ValueError:
        pass
    comma = ", which has a decimal comma: write 0.5, not 0,5" if text.replace(",", "", 1).lstrip("+-").isdigit() else ""
    raise ValueError(f"{shown(repr(text))} is not a number{comma}")


def _check_unique(path: Path, names: list[str]) -> None:
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        named = f"columns {repeated[0]!r}" if repeated[0] else "columns without a name"
        raise PredictionError(f"{path} has two {named}", "rename or remove one")
