"""Reading a CSV of any separator as text."""

import csv
import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pandas as pd

from comp.base.errors import DataError
from comp.base.files import read_bytes
from comp.competition.ids import shorten

SEPARATORS = {",": "','", ";": "';'", "\t": "tab", "|": "'|'"}
LONGEST_FIELD = 131_072
_LOOKED_AT = 50  # lines that the separator is learnt from
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read_csv(path: Path) -> pd.DataFrame:
    """A CSV with all values as text; a column without a name is left out. Its separator is `table.attrs["separator"]`.

    Raises:
        DataError: it is no regular file, is empty, is not UTF-8, or a row has another number of fields than the header.
    """
    text = _decoded(path)
    separator = find_separator(text)
    rows = _rows(path, text, separator)
    header = [name.strip() for name in next(rows, [])]
    if not any(header):
        raise DataError(f"{path} cannot be read as CSV (it is empty)", "check the file")
    if repeated := [name for name in header if name and header.count(name) > 1]:
        raise DataError(f"{path} has two columns {shorten(repeated[0])!r}", "rename or remove one")
    table = pd.DataFrame(list(_whole(path, rows, len(header))), columns=pd.Index(header, dtype=object), dtype=object)
    table = table.loc[:, [bool(name) for name in header]]
    table.attrs["separator"] = separator
    return table


def find_separator(text: str) -> str:
    """The one of comma, semicolon, tab and | that divides the first lines into most columns, the same number in each; else a comma."""
    best, most = ",", 1
    for separator in SEPARATORS:
        try:
            counts = [len(row) for row in islice(csv.reader(io.StringIO(text, newline=""), delimiter=separator), _LOOKED_AT) if row]
        except csv.Error:
            continue
        if counts and counts[0] > most and len(set(counts)) == 1:
            best, most = separator, counts[0]
    if most == 1:  # the rows differ: let the header decide, so that the message names the row
        header = text.split("\n", 1)[0]
        return next((separator for separator in SEPARATORS if separator in header), ",")
    return best


def _decoded(path: Path) -> str:
    try:
        data = read_bytes(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", "put the table in its place") from None
    if data.startswith(_UTF16) or b"\0" in data:
        what = "is UTF-16" if data.startswith(_UTF16) else "holds NUL bytes"
        raise DataError(f"{path} {what}, not text in UTF-8", "save it as CSV in UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        then = f"it may be Latin-1; save it as UTF-8, for example: iconv -f latin1 -t utf-8 {path.name}"
        raise DataError(f"{path} is not UTF-8 (byte 0x{data[error.start]:02x} in line {line:,})", then) from None


def _rows(path: Path, text: str, separator: str) -> Iterator[list[str]]:
    """The rows that are not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for row in reader:
            if row:
                yield row
    except csv.Error as error:
        reason = f"a field of more than {LONGEST_FIELD:,} characters" if "field limit" in str(error) else str(error)
        raise DataError(f"{path} cannot be read as CSV (line {reader.line_num:,}: {reason})", "check the file") from None


def _whole(path: Path, rows: Iterator[list[str]], columns: int) -> Iterator[list[str]]:
    for number, row in enumerate(rows, start=2):
        if len(row) == columns:
            yield row
        elif any(field.strip() for field in row):
            then = "put text that holds a separator between double quotes, and give every row all fields"
            raise DataError(f"{path}: row {number:,} has {len(row)} fields, the header {columns}", then)
