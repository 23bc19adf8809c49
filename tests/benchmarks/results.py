"""The results of measurements, and their table."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.benchmarks.paired import Ratio

HEADS = ("measurement", "measured", "control", "limit", "reached")


@dataclass(frozen=True)
class Result:
    """A line of the table, and a note below the table.

    Attributes:
        reached: whether the limit is reached; None without a limit.
    """

    name: str
    measured: str
    control: str = ""
    limit: str = ""
    reached: bool | None = None
    note: str = ""


def at_least(limit: float, name: str, ratio: Ratio, control: Ratio, note: str) -> Result:
    return Result(name, str(ratio), str(control), f">= {limit:g}", ratio.median >= limit, note)


def at_most(limit: float, name: str, ratio: Ratio, control: Ratio, note: str) -> Result:
    return Result(name, str(ratio), str(control), f"<= {limit:g}", ratio.median <= limit, note)


def table(results: Sequence[Result]) -> str:
    """One line per result; the last line lists the limits that are not reached."""
    verdicts = {True: "yes", False: "NO", None: ""}
    lines = [HEADS, *((one.name, one.measured, one.control, one.limit, verdicts[one.reached]) for one in results)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    formatted = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    missed = [one.name for one in results if one.reached is False]
    limits = sum(one.reached is not None for one in results)
    verdict = f"NOT reached: {'; '.join(missed)}" if missed else f"{limits} of {limits} limits reached"
    notes = [f"{one.name}: {one.note}" for one in results if one.note]
    return "\n".join([*formatted, "", *notes, "", verdict])
