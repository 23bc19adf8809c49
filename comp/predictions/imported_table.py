"""A table of predictions made elsewhere (.npy, .csv or .parquet), read and checked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from comp.base.errors import PredictionError
from comp.competition.competition import Competition
from comp.competition.tables import read_ids
from comp.metrics.logits import logit
from comp.predictions.prediction_file import Predictions
from comp.predictions.provenance import Provenance

IdsAndValues = tuple[tuple[str, ...] | None, NDArray[np.float64]]  # ids if the table has them, values (N, C)
OPTIONS = {"train": "--ids, one a line (make: IDS=)", "test": "--test-ids, one a line (make: TEST_IDS=)"}


@dataclass(frozen=True)
class ImportedTable:
    """A table of predictions, as its maker saved it.

    Attributes:
        path: .npy (N, C), or .csv or .parquet with a column per class and perhaps a column of ids.
        split: whether its rows are of the train table or of the sample submission.
        id_file: ids of the rows, for a table without ids; without it, the rows are in the order of the competition's table.
        logits: the values are logits and are stored as they are; else they are probabilities, stored as logits clipped to +-16.
    """

    path: Path
    split: Literal["train", "test"]
    id_file: Path | None
    logits: bool

    def read(self, ids: tuple[str, ...], competition: Competition, provenance: Provenance) -> Predictions:
        """Predictions of exactly `ids`, in their order.

        Raises:
            PredictionError: the file cannot be read, has other ids or classes, a value that is not a number or not a probability,
                or decisions instead of predictions.
        """
        path = self.path
        own_ids, values = _read(path, competition)
        if self.id_file:
            own_ids = _read_ids(self.id_file, competition)
        found = ids if own_ids is None else own_ids
        if values.ndim != 2 or values.shape[1] != len(competition.classes):
            shape = " x ".join(map(str, values.shape))
            then = "give one column per class, in the competition's order"
            raise PredictionError(f"{path} is {shape}, not rows x {len(competition.classes)} classes", then)
        table, option = getattr(competition.tables, self.split), OPTIONS[self.split]
        if len(found) != len(values):
            what = f"{path} has {len(values)} rows, {self.id_file or table} {len(found)} ids"
            raise PredictionError(what, f"give the ids of its rows with {option}")
        self._check_values(found, values, competition)
        stored = values if self.logits else logit(values)
        try:
            made = Predictions(found, np.full(len(found), -1, np.int8), stored.astype(np.float32), provenance)
            return Predictions(ids, made.fold, made.aligned(ids), provenance)
        except PredictionError as error:
            then = f"give predictions of exactly the rows of {table}, or their ids with {option}"
            raise PredictionError(f"{path}: {error.what}", then) from None

    def _check_values(self, ids: tuple[str, ...], values: NDArray[np.float64], competition: Competition) -> None:
        bad = ~np.isfinite(values)
        then = "correct it: every row needs a finite number for every class"
        if not bad.any() and not self.logits:
            bad = (values < 0) | (values > 1)
            then = "give probabilities, or say that these are logits with --logits"
        if bad.any():
            row, column = np.argwhere(bad)[0]
            what = f"{self.path} holds {values[row, column]:g} for id {ids[row]}, class {competition.classes[column]!r}"
            raise PredictionError(what + ("" if np.isnan(values[row, column]) else f" ({bad.sum()} such values)"), then)
        if np.isin(values, (0, 1)).all():
            columns = f"{competition.columns.id},{competition.columns.predicted}"
            then = (
                f"give the probabilities or logits behind them; those of test images can vote as a label file, TEST=file.csv with {columns}"
            )
            raise PredictionError(f"{self.path} holds decisions, only 0 and 1", then)


def _read(path: Path, competition: Competition) -> IdsAndValues:
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


def _read_npy(path: Path, _: Competition) -> IdsAndValues:
    found = np.load(path, allow_pickle=False)
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiub":
        raise ValueError("it is not one array of real numbers")
    return None, found.astype(np.float64)


def _read_csv(path: Path, competition: Competition) -> IdsAndValues:
    with path.open(encoding="utf-8-sig") as file:
        first = [cell.strip().strip('"') for cell in file.readline().split(",")]
    named = _class_columns(first, competition) is not None or not all(_is_number(cell) for cell in first)
    as_text = {name: str for name in first if named and _is_id(name, competition)}
    return _ids_and_values(path, pd.read_csv(path, header=0 if named else None, dtype=as_text), competition)


def _read_parquet(path: Path, competition: Competition) -> IdsAndValues:
    table = pd.read_parquet(path)
    numbered = isinstance(table.index, pd.RangeIndex) and table.index.name is None
    return _ids_and_values(path, table if numbered else table.reset_index(), competition)


def _ids_and_values(path: Path, table: pd.DataFrame, competition: Competition) -> IdsAndValues:
    """Ids and values of a table; classes by name or token, else all columns in their order.

    Raises:
        PredictionError: there is no column of ids, but a column that is not a class and may hold them under another name.
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
            raise PredictionError(f"{path} has the column {names[number]!r}, which is not a class, and no ids", then)
    return ids, table.iloc[:, columns].to_numpy(np.float64)


def _is_id(name: str, competition: Competition) -> bool:
    return name.lower() in (competition.columns.id.lower(), "id")


def _class_columns(names: list[str], competition: Competition) -> list[int] | None:
    """The position of each class among the column names; None if they do not name all classes."""
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


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
