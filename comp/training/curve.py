"""The curve of a run: a CSV with one row for each epoch and each validation, and the same numbers for TensorBoard."""

import csv
import os
from collections.abc import Mapping
from pathlib import Path

from comp.base.errors import DataError
from comp.base.files import read_text, write_text
from comp.base.progress import say
from comp.training.event_file import EventFile

COLUMNS = (
    "epoch", "step", "images", "seconds", "learning_rate", "training_loss", "validation_loss", "macro_f1", "votes_average_precision",
    "validation_seconds",
)  # fmt: skip
Row = Mapping[str, float]


class Curve:
    """The curve of a run that starts, or goes on from the checkpoint of `step`: rows after it are dropped, as their steps come again."""

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        self.rows: list[Row] = [row for row in _rows_or_none(path) if row["step"] <= step] if step else []
        write_text(path, "".join([",".join(COLUMNS) + "\n", *map(_line, self.rows)]))
        self.events = EventFile(path.parent, step)

    def add(self, row: Row) -> None:
        """Append a row; columns that it lacks stay empty. It is on the disk before the next checkpoint."""
        self.rows.append(row)
        with self.path.open("ab") as file:
            file.write(_line(row).encode())
            file.flush()
            os.fsync(file.fileno())
        self.events.add(int(row["step"]), {name: value for name, value in row.items() if name != "step"})

    def newest(self, column: str) -> float | None:
        """The newest value of a column; None if no row has one."""
        return next((row[column] for row in reversed(self.rows) if column in row), None)


def read_curve(path: Path) -> list[dict[str, float]]:
    """The rows of a curve; no value where the column is empty. A last line that was cut off is left out. No file has no rows.

    Raises:
        DataError: it is no curve.
    """
    try:
        lines = read_text(path).splitlines(keepends=True)
        if lines and not lines[-1].endswith("\n"):
            lines.pop()
        rows = list(csv.DictReader(lines))
        if rows and tuple(rows[0]) != COLUMNS:
            raise ValueError
        return [{name: float(value) for name, value in row.items() if value} for row in rows if row["step"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, csv.Error):
        raise DataError(f"{path} is damaged, or of another version", "remove it") from None


def validation_seconds(path: Path) -> float:
    """How long a run was validated, as its curve says."""
    return max((row.get("validation_seconds", 0.0) for row in read_curve(path)), default=0.0)


def _rows_or_none(path: Path) -> list[dict[str, float]]:
    try:
        return read_curve(path)
    except DataError as error:
        say(f"{error.what}; the curve starts again")
        return []


def _line(row: Row) -> str:
    return ",".join(f"{row[name]:.10g}" if name in row else "" for name in COLUMNS) + "\n"
