"""The table of all folds that a cluster trains: it is drawn again and again on a terminal, and a line for each change in a log."""

import math
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from comp.base.errors import DataError
from comp.base.progress import say
from comp.training.curve import read_curve

HEAD = ["fold", "state", "node", "epoch", "loss", "left"]
BETWEEN_LINES = 10.0  # seconds, of a log, between lines on the epochs of one fold
BETWEEN_TABLES = 1.0
UP_AND_CLEAR = "\x1b[{}A\x1b[J"
WAITING, RUNNING, FINISHED, FAILED, STOPPED = "waiting", "running", "finished", "failed", "not started"
ORDER = {FAILED: 0, RUNNING: 1, WAITING: 2, STOPPED: 3, FINISHED: 4}


@dataclass
class FoldState:
    """What is known of one fold.

    Attributes:
        epochs: of the whole training; None for a model without a network.
        curve: the file with the losses of its run.
        attempt: 1, or more if nodes or processes were lost.
        resumed: where a later attempt goes on, e.g. "from epoch 3".
        detail: what a running fold does besides training.
    """

    name: str
    epochs: int | None
    curve: Path
    state: str = WAITING
    node: str = ""
    attempt: int = 1
    resumed: str = ""
    detail: str = ""
    earlier: tuple[int, int] | None = field(init=False)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """An attempt begins: the curve that is there now is of an earlier run."""
        self.earlier = written(self.curve)

    @property
    def shown(self) -> str:
        """E.g. "running, 2nd attempt, from epoch 3"."""
        parts = [self.state]
        if self.state in (WAITING, RUNNING) and self.attempt > 1:
            parts += [f"{ordinal(self.attempt)} attempt", self.resumed]
        return ", ".join([*parts, self.detail] if self.detail and self.state == RUNNING else parts)

    def progress(self) -> tuple[str, str, str]:
        """The epoch, the loss and the time left, as far as the curve says so."""
        if self.state != RUNNING or self.epochs is None:
            return "", "", ""
        try:
            rows = read_curve(self.curve) if written(self.curve) != self.earlier else None
        except DataError:
            rows = None
        if not rows:
            return ("", "", "") if rows is None else (f"1/{self.epochs}", "", "")
        last = rows[-1]
        spent = last["seconds"] + max((row.get("validation_seconds", 0.0) for row in rows), default=0.0)
        left = spent / last["epoch"] * (self.epochs - last["epoch"])
        return f"{last['epoch']:.0f}/{self.epochs}", f"{last['training_loss']:.4f}", clock(left)


class FoldTable:
    """Shows the states of all folds."""

    def __init__(self, folds: Sequence[FoldState]) -> None:
        self._folds, self._live = folds, sys.stdout.isatty()
        self._drawn, self._when = 0, 0.0
        self._said: dict[str, tuple[str, float]] = {fold.name: (fold.shown, 0.0) for fold in folds}
        self._epoch: dict[str, str] = {}

    def say(self, line: str) -> None:
        """Print a line, above the table."""
        self._clear()
        say(line)

    def show(self, now: bool = False) -> None:
        """Draw the table, or print what has changed.

        Args:
            now: even if it was drawn less than a second ago.
        """
        if not self._live:
            self._lines()
        elif now or not self._drawn or time.monotonic() - self._when >= BETWEEN_TABLES:
            lines = self.lines(*shutil.get_terminal_size())
            self._clear()
            say("\n".join(lines))
            self._drawn, self._when = len(lines), time.monotonic()

    def lines(self, width: int, height: int) -> list[str]:
        """The table as lines that fit a terminal: of many folds, those that are finished are left out."""
        folds = sorted(self._folds, key=lambda fold: ORDER[fold.state])
        room = max(height - 4, 1)
        left_out = folds[room:] if len(folds) > room else []
        kept = {id(fold) for fold in folds[:room]}
        rows = [[fold.name, fold.shown, fold.node, *fold.progress()] for fold in self._folds if id(fold) in kept]
        drawn = left_aligned([HEAD, *rows])
        if left_out:
            counts = {state: sum(fold.state == state for fold in left_out) for state in ORDER}
            drawn.append("and " + ", ".join(f"{count} {state}" for state, count in counts.items() if count))
        return [line[: width - 1] for line in drawn]

    def _clear(self) -> None:
        if self._drawn:
            sys.stdout.write(UP_AND_CLEAR.format(self._drawn))
            self._drawn = 0

    def _lines(self) -> None:
        for fold in self._folds:
            shown, when = self._said[fold.name]
            if fold.shown != shown:
                say(f"{fold.name}: {fold.shown}{f' on {fold.node}' if fold.node and fold.state == RUNNING else ''}")
                self._said[fold.name] = (fold.shown, time.monotonic())
            elif time.monotonic() - when >= BETWEEN_LINES:
                epoch, loss, left = fold.progress()
                if loss and self._epoch.get(fold.name) != epoch:
                    say(f"{fold.name}: epoch {epoch}, loss {loss}, {left} left")
                    self._epoch[fold.name] = epoch
                self._said[fold.name] = (fold.shown, time.monotonic())


def written(path: Path) -> tuple[int, int] | None:
    """What changes when a file is written; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def left_aligned(lines: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]


def ordinal(number: int) -> str:
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number, 'th') }"


def clock(seconds: float) -> str:
    """E.g. 0:05 or 1:02:03."""
    minutes, second = divmod(math.ceil(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02d}:{second:02d}" if hour else f"{minute}:{second:02d}"
