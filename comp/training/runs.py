"""The runs of a competition: finished ones, as their records say, and unfinished ones, as their curves say."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from comp.base.errors import DataError, PredictionError
from comp.base.files import read_text
from comp.base.paths import Paths
from comp.training.curve import read_curve

MINUTES = "%Y-%m-%d %H:%M"


@dataclass(frozen=True)
class FoldRun:
    """One run of one fold.

    Attributes:
        date: when it was finished, or when its curve got its last row.
        hours: of training, validation and prediction.
        score: macro F1 at threshold 0.5; of an unfinished run the newest one on the rows it is validated on. None if there is none.
        epoch: the one that an unfinished run has reached; None if it is finished.
        settings: the experiment; of an unfinished run it is not known.
        versions: of Python, of packages, and of this toolkit (git).
    """

    model: str
    fold: int
    date: str
    hours: float
    score: float | None = None
    epoch: int | None = None
    device: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)


class _Record(BaseModel):
    """What is read of a run's record. All further texts in it are versions."""

    model_config = ConfigDict(extra="allow")

    experiment: dict[str, Any]
    seconds: float
    macro_f1_at_half: float
    time: str
    host: str
    device: str = ""


def find_runs(paths: Paths, models: Sequence[str] = ()) -> tuple[list[FoldRun], list[str]]:
    """The runs of these models, or of all, and a line for each damaged file.

    Raises:
        PredictionError: a model has no run, or there is none at all.
    """
    records, curves = paths.run_records(), paths.curves()
    places = sorted({*records, *curves})
    _check_found(paths, models, {model for model, _ in places})
    found, damaged = [], []
    for place in places:
        if models and place[0] not in models:
            continue
        record, curve = records.get(place), curves.get(place)
        try:
            if record:
                found.append(_finished(*place, record))
        except (OSError, ValueError, RecursionError):  # pydantic's own errors are ValueErrors
            damaged.append(f"{record} is damaged, so nothing is known of that run")
        try:
            if curve and (record is None or curve.stat().st_mtime_ns > record.stat().st_mtime_ns):
                found += _unfinished(*place, curve)
        except DataError as error:
            damaged.append(str(error))
    return found, damaged


def _check_found(paths: Paths, models: Sequence[str], known: set[str]) -> None:
    if not known:
        then = f"train a model: make model COMP={paths.competition} MODEL=densenet121"
        raise PredictionError(f"there is no run of competition {paths.competition}", then)
    if missing := [model for model in models if model not in known]:
        raise PredictionError(f"there is no run of {', '.join(missing)}", f"choose from: {', '.join(sorted(known))}")


def _finished(model: str, fold: int, path: Path) -> FoldRun:
    record = _Record.model_validate_json(read_text(path))
    versions = {name: text for name, text in (record.model_extra or {}).items() if isinstance(text, str)}
    return FoldRun(
        model, fold, record.time[:16], record.seconds / 3600, record.macro_f1_at_half, None, record.device, record.experiment, versions
    )


def _unfinished(model: str, fold: int, path: Path) -> list[FoldRun]:
    """The run of a curve; none while it has no row."""
    rows = read_curve(path)
    if not rows:
        return []
    date = time.strftime(MINUTES, time.localtime(path.stat().st_mtime))
    seconds = rows[-1]["seconds"] + max(row.get("validation_seconds", 0.0) for row in rows)
    score = next((row["macro_f1"] for row in reversed(rows) if "macro_f1" in row), None)
    return [FoldRun(model, fold, date, seconds / 3600, score, int(rows[-1]["epoch"]))]
