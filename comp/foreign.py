"""Predictions made elsewhere, in whatever table their maker wrote, as a checked prediction file of this toolkit."""

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from comp.competition import Competition, read_ids
from comp.errors import PredictionError
from comp.metrics import logit
from comp.predictions import Predictions, Provenance

Table = tuple[tuple[str, ...] | None, NDArray[np.float64]]  # ids where the table has them, values (N, C)
Part = Literal["train", "test"]
OPTIONS = {"train": "--ids, one a line (make: IDS=)", "test": "--test-ids, one a line (make: TEST_IDS=)"}


def read_foreign(
    path: Path, id_file: Path | None, part: Part, ids: tuple[str, ...], competition: Competition, provenance: Provenance, *, logits: bool
) -> Predictions:
    """Predictions of exactly `ids`, in their order.

    Args:
        path: .npy (N, C), or .csv or .parquet with a column a class and perhaps one of ids.
        id_file: ids of the rows of a table without them; without it, the rows are in the order of `ids`.
        part: which of the competition's tables `ids` are of.
        logits: the values are logits and stay as they are; else probabilities, stored as logits clipped to +-16.

    Raises:
        PredictionError: the file cannot be read, other ids or classes, a value that is no number or no probability, or
            decisions instead of predictions.
    """
    own_ids, values = _read(path, competition)
    if id_file:
        own_ids = _read_ids(id_file, competition)
    found = ids if own_ids is None else own_ids
    if values.ndim != 2 or values.shape[1] != len(competition.classes):
        shape = " x ".join(map(str, values.shape))
        then = "give one column a class, in the competition's order"
        raise PredictionError(f"{path} is {shape}, not rows x {len(competition.classes)} classes", then)
    if len(found) != len(values):
        where = id_file or getattr(competition.tables, part)
        raise PredictionError(f"{path} has {len(values)} rows, {where} {len(found)} ids", f"give the ids of its rows with {OPTIONS[part]}")
    _refuse_values(path, found, values, competition, logits)
    stored = values if logits else logit(values)
    try:
        made = Predictions(found, np.full(len(found), -1, np.int8), stored.astype(np.float32), provenance)
        return Predictions(ids, made.fold, made.aligned(ids), provenance)
    except PredictionError as error:
        then = f"give predictions of exactly the rows of {getattr(competition.tables, part)}, or their ids with {OPTIONS[part]}"
        raise PredictionError(f"{path}: {error.what}", then) from None


def _read(path: Path, competition: Competition) -> Table:
    readers = {".npy": _read_npy, ".csv": _read_csv, ".parquet": _read_parquet}
    if path.suffix not in readers:
        raise PredictionError(f"{path} is neither .npy nor .csv nor .parquet", "save the predictions as one of these")
    try:
        return readers[path.suffix](path, competition)
    except FileNotFoundError:
        raise PredictionError(f"there is no {path}", "check the path") from None
    except (OSError, EOFError, TypeError, ValueError, pa.ArrowException) as error:  # pandas' own errors are ValueErrors
        reason = " ".join(str(error).split())[:120]
        raise PredictionError(f"{path} cannot be read ({reason})", "save it again, as numbers without pickled objects") from None


def _read_npy(path: Path, _: Competition) -> Table:
    found = np.load(path, allow_pickle=False)
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiub":
        raise ValueError("it is not one array of real numbers")
    return None, found.astype(np.float64)


def _read_csv(path: Path, competition: Competition) -> Table:
    with path.open(encoding="utf-8-sig") as file:
        first = [cell.strip().strip('"') for cell in file.readline().split(",")]
    named = _class_columns(first, competition) is not None or not all(_is_number(cell) for cell in first)
    as_text = {name: str for name in first if named and _is_id(name, competition)}
    return _split(path, pd.read_csv(path, header=0 if named else None, dtype=as_text), competition)


def _read_parquet(path: Path, competition: Competition) -> Table:
    table = pd.read_parquet(path)
    numbered = isinstance(table.index, pd.RangeIndex) and table.index.name is None
    return _split(path, table if numbered else table.reset_index(), competition)


def _split(path: Path, table: pd.DataFrame, competition: Competition) -> Table:
    """Ids and values of a table; classes by name or token, else its columns in their order.

    Raises:
        PredictionError: no ids, and beside columns named as the classes one that may hold them under another name.
    """
    names = [str(name) for name in table.columns]
    ids = None
    for number, name in enumerate(names):
        if _is_id(name, competition):
            ids = tuple(table.iloc[:, number].astype(str))
            table, names = table.drop(columns=table.columns[number]), names[:number] + names[number + 1 :]
            break
    columns = _class_columns(names, competition)
    if columns is None:
        return ids, table.to_numpy(np.float64)
    for number in set(range(len(names))) - set(columns):
        if ids is None and list(table.iloc[:, number]) != list(range(len(table))):  # row numbers say nothing
            then = f"call it {competition.columns.id} if it holds the ids of the rows, else remove it"
            raise PredictionError(f"{path} has the column {names[number]!r} beside the classes, and no ids", then)
    return ids, table.iloc[:, columns].to_numpy(np.float64)


def _is_id(name: str, competition: Competition) -> bool:
    return name.lower() in (competition.columns.id.lower(), "id")


def _class_columns(names: list[str], competition: Competition) -> list[int] | None:
    """Where each class stands among the names of columns; None where they do not name the classes."""
    for wanted in (competition.labels.names, competition.labels.tokens):
        if set(wanted) <= set(names):
            return [names.index(name) for name in wanted]
    return None


def _read_ids(path: Path, competition: Competition) -> tuple[str, ...]:
    try:
        lines = [line.strip() for line in path.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        raise PredictionError(f"{path} cannot be read as text", "give a file with one id a line, or a CSV with a column of ids") from None
    if lines and competition.columns.id in [cell.strip() for cell in lines[0].split(",")]:
        return read_ids(path, competition.columns.id, "check the path")
    return tuple(lines)


def _refuse_values(path: Path, ids: tuple[str, ...], values: NDArray[np.float64], competition: Competition, logits: bool) -> None:
    bad = ~np.isfinite(values)
    then = "correct it: every row needs a finite number for every class"
    if not bad.any() and not logits:
        bad = (values < 0) | (values > 1)
        then = "give probabilities, or say that these are logits with --logits"
    if bad.any():
        row, column = np.argwhere(bad)[0]
        what = f"{path} holds {values[row, column]:g} for id {ids[row]}, class {competition.classes[column]!r}"
        raise PredictionError(what + ("" if np.isnan(values[row, column]) else f" ({bad.sum()} such values)"), then)
    if np.isin(values, (0, 1)).all():
        columns = f"{competition.columns.id},{competition.columns.predicted}"
        then = f"give the probabilities or logits behind them; those of test images can vote as a label file, TEST=file.csv with {columns}"
        raise PredictionError(f"{path} holds decisions, nothing but 0 and 1", then)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
