"""A table of predictions made elsewhere (.npy, .csv or .parquet), read and checked."""

import tokenize
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import PredictionError
from comp.base.progress import say
from comp.competition.competition import Competition
from comp.metrics.logits import logit
from comp.predictions.class_columns import listed, match_classes
from comp.predictions.id_file import read_id_file
from comp.predictions.imported_values import checked_values
from comp.predictions.prediction_file import Predictions
from comp.predictions.provenance import Provenance
from comp.predictions.table_file import (
    NAMELESS,
    Table,
    as_numbers,
    as_text,
    check_is_file,
    named_columns,
    read_parquet,
    read_rows,
    short_reason,
    shown,
)

IdsAndValues = tuple[tuple[str, ...] | None, NDArray]  # ids if the table has them, values (N, C) of any real type
OPTIONS = {"train": "--ids, one a line (make: IDS=)", "test": "--test-ids, one a line (make: TEST_IDS=)"}
ENDINGS = (".npy", ".csv", ".parquet")
NPY_ERRORS = (OSError, MemoryError, RecursionError, OverflowError, TypeError, ValueError, SyntaxError, tokenize.TokenError)


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
        """Predictions of exactly `ids`, in their order. How columns were matched to classes is printed, unless they are named by them.

        Raises:
            PredictionError: the file cannot be read, has other ids or columns, a value that is not a number or not a probability,
                probabilities given as logits, or decisions instead of predictions.
        """
        path = self.path
        own_ids, values = self._read(ids, competition)
        if self.id_file:
            own_ids = read_id_file(self.id_file, competition.columns.id)
        found = ids if own_ids is None else _in_form_of(ids, own_ids)
        if values.ndim != 2 or values.shape[1] != len(competition.classes):
            shape = " x ".join(map(str, values.shape))
            then = "give one column per class, in the competition's order"
            raise PredictionError(f"{path} is {shape}, not rows x {len(competition.classes)} classes", then)
        table, option = getattr(competition.tables, self.split), OPTIONS[self.split]
        if len(found) != len(values):
            what = f"{path} has {len(values)} rows, {self.id_file or table} {len(found)} ids"
            raise PredictionError(what, f"give the ids of its rows with {option}")
        checked = checked_values(path, found, values.astype(np.float64), competition, self.logits)
        stored = checked if self.logits else logit(checked)
        try:
            with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is refused
                made = Predictions(found, np.full(len(found), -1, np.int8), stored.astype(np.float32), provenance)
            return Predictions(ids, made.fold, made.aligned(ids), provenance)
        except PredictionError as error:
            then = f"give predictions of exactly the rows of {table}, or their ids with {option}"
            raise PredictionError(f"{path}: {error.what}", then) from None

    def _read(self, ids: tuple[str, ...], competition: Competition) -> IdsAndValues:
        path, ending = self.path, self.path.suffix.lower()
        check_is_file(path)
        if ending not in ENDINGS:
            compressed = ending in (".gz", ".zip", ".bz2", ".xz", ".zst")
            then = "unpack it first" if compressed else "save the predictions as one of these"
            raise PredictionError(f"{path} is {'compressed, ' if compressed else ''}neither .npy nor .csv nor .parquet", then)
        if ending == ".npy":
            values = _read_npy(path)
            _say_order(path, competition)
            return None, values
        if ending == ".parquet":
            return self._ids_and_values(read_parquet(path), ids, competition)
        rows = read_rows(path)
        if _has_names(path, [name.strip() for name in rows[0]], competition):
            return self._ids_and_values(named_columns(path, rows), ids, competition)
        _say_order(path, competition)
        columns = named_columns(path, [[str(number) for number in range(len(rows[0]))], *rows])
        return None, _numbers(path, columns)

    def _ids_and_values(self, table: Table, wanted: tuple[str, ...], competition: Competition) -> IdsAndValues:
        """Ids and values of a table with names; it says how columns were matched to classes, unless they are named by them."""
        path = self.path
        ids = _take_ids(path, table, wanted, competition.columns.id)
        own_file = {"fold", "z00"} <= set(table)  # a prediction file of this toolkit: its folds say nothing here
        classes = match_classes(path, [name for name in table if not (own_file and name == "fold")], competition.labels)
        if not classes.exact:
            say(f"{path}: columns taken as classes: {classes.mapping(competition.labels)}")
        return ids, _numbers(path, {name: table[name] for name in classes.names})


def _in_form_of(ids: Sequence[str], found: Sequence[str]) -> tuple[str, ...]:
    """`found` in the Unicode form of `ids` and without spaces around them; unknown ids as messages show them."""

    def form(text: str) -> str:
        return unicodedata.normalize("NFC", text.strip())

    known = {form(image_id): image_id for image_id in ids}
    return tuple(known.get(form(image_id)) or shown(image_id) for image_id in found)


def _take_ids(path: Path, table: Table, wanted: tuple[str, ...], id_column: str) -> tuple[str, ...] | None:
    """Remove ids and row numbers from a table; return its ids, if it has any.

    A column without a name holds the ids if it holds exactly those that are wanted, or row numbers: 0, 1, 2, ...

    Raises:
        PredictionError: two columns may be the ids, they have another name, or a column without a name is neither.
    """
    named = [name for name in table if name.lower() in (id_column.lower(), "id")]
    if len(named) > 1:
        raise PredictionError(f"{path} has two columns of ids, {listed(named)}", "remove one")
    nameless = {name: as_text(table.pop(name)) for name in NAMELESS if name in table}
    if named:
        return as_text(table.pop(named[0]))
    for name, values in nameless.items():
        row_numbers = values == tuple(map(str, range(len(values))))
        are_ids = sorted(values) == sorted(wanted)
        if are_ids and not (row_numbers and values != wanted):
            return values
        if are_ids or not row_numbers:
            what = f"{path} has the column {name!r}, which is not a class, and no ids"
            raise PredictionError(what, f"call it {id_column} if it holds the ids of the rows, else remove it")
    for name, column in table.items():
        if set(as_text(column)) == set(wanted):
            raise PredictionError(f"{path} has the ids in the column {name!r}", f"call it {id_column}")
    return None


def _has_names(path: Path, first: list[str], competition: Competition) -> bool:
    """Whether the first row of a CSV holds names, not values.

    Raises:
        PredictionError: it holds values behind something that is no number, such as an id.
    """
    labels, id_column = competition.labels, competition.columns.id
    numbered = first == [str(number) for number in range(len(labels))]
    if numbered or set(first) in (set(labels.names), set(labels.tokens)) or first[0].lower() in ("", "id", id_column.lower()):
        return True
    if not all(map(_is_number, first[1:])) or set(first) & {*labels.names, *labels.tokens}:
        return True
    if _is_number(first[0]):
        return False
    then = f"give it a first line with {id_column} and the names of the classes ({listed(labels.names)})"
    raise PredictionError(f"{path} has no header, and its first column holds no numbers", then)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(path: Path, table: Table) -> NDArray[np.float64]:
    columns = []
    for name, column in table.items():
        try:
            columns.append(as_numbers(column))
        except ValueError as error:
            raise PredictionError(f"{path}, column {name!r}: {error}", "save it again, as numbers") from None
    return np.column_stack(columns)


def _say_order(path: Path, competition: Competition) -> None:
    say(f"{path} has no names; its columns are taken in the competition's order: {', '.join(competition.labels.names)}")


def _read_npy(path: Path) -> NDArray:
    """The array, not yet in memory: its header may promise more than the machine has."""
    then = "save one array of numbers with numpy.save, without pickled objects"
    try:
        with path.open("rb") as file:
            if (start := file.read(6)) != b"\x93NUMPY":
                raise ValueError("it is no .npy file" if start else "it is empty")
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except NPY_ERRORS as error:
        raise PredictionError(f"{path} cannot be read ({short_reason(error)})", then) from None
    if found.dtype.kind not in "fiub":
        raise PredictionError(f"{path} cannot be read (it holds {found.dtype.name}, not real numbers)", then)
    return found
