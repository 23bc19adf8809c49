"""Which column of a table made elsewhere is which class: by name, by token, or by a mapping that is shown."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from comp.base.errors import PredictionError
from comp.competition.labels import LabelSpace

SHOWN = 5  # names that a message lists
NUMBERED = re.compile(r"(.*?)(\d{1,9})(\D*)")  # text, the last number, text


@dataclass(frozen=True)
class ClassColumns:
    """The column of each class.

    Attributes:
        names: (C,) column names, in the order of the classes.
        exact: the columns have the names, or the tokens, of the classes.
    """

    names: tuple[str, ...]
    exact: bool

    def mapping(self, labels: LabelSpace) -> str:
        """The classes and their columns on one line."""
        return ", ".join(f"{column} = {name}" for column, name in zip(self.names, labels.names, strict=True))


def match_classes(path: Path, columns: Sequence[str], labels: LabelSpace) -> ClassColumns:
    """The column of each class among columns that are all classes.

    Columns have the names of the classes or their tokens. Case, and spaces or other signs between words, may differ. All may have one
    text in front or behind: `pred_2` or `z02` is the class with token or number 2, `p_Nucleoplasm` is Nucleoplasm.

    Raises:
        PredictionError: columns are missing, unknown or ambiguous; the message names them.
    """
    for level, find in enumerate((_exact, _loose, _with_affix)):
        found = set(find(columns, labels))
        if len(found) > 1:
            what = f"{path}: its columns {listed(columns)} fit the classes in two ways (names, tokens or numbers)"
            raise PredictionError(what, f"rename them to the classes ({listed(labels.names)})")
        if found:
            return ClassColumns(found.pop(), exact=level == 0)
    raise _no_match(path, columns, labels)


def _exact(columns: Sequence[str], labels: LabelSpace) -> Iterator[tuple[str, ...]]:
    return (wanted for wanted in (labels.names, labels.tokens) if set(wanted) == set(columns))


def _loose(columns: Sequence[str], labels: LabelSpace) -> Iterator[tuple[str, ...]]:
    for wanted in (labels.names, labels.tokens):
        yield from _by_key(columns, [loosely(name) for name in wanted], loosely)


def _with_affix(columns: Sequence[str], labels: LabelSpace) -> Iterator[tuple[str, ...]]:
    """Columns that are one text, the class and one more text, e.g. pred_2; numbers may have leading zeros."""
    parts = [match for column in columns if (match := NUMBERED.fullmatch(column))]
    if len(parts) == len(columns) and len({(part[1], part[3]) for part in parts}) == 1:
        number_of = {part[0]: str(int(part[2])) for part in parts}
        yield from _by_key(columns, [str(number) for number in range(len(labels))], number_of.__getitem__)
        if all(NUMBERED.fullmatch(token) and token.isdecimal() for token in labels.tokens):
            yield from _by_key(columns, [str(int(token)) for token in labels.tokens], number_of.__getitem__)
        return
    first = loosely(columns[0]) if columns else ""
    for named in (labels.names, labels.tokens):
        wanted = [loosely(name) for name in named]
        for before, after in {(first[:at], first[at + len(name) :]) for name in wanted if (at := first.find(name)) >= 0}:
            yield from _by_key(columns, [before + name + after for name in wanted], loosely)


def _by_key(columns: Sequence[str], wanted: Sequence[str], key: Callable[[str], str]) -> Iterator[tuple[str, ...]]:
    """The columns in the order of `wanted`, if their keys are exactly these and differ."""
    column_of = {key(column): column for column in columns}
    if len(column_of) == len(columns) == len(wanted) and set(column_of) == set(wanted):
        yield tuple(column_of[each] for each in wanted)


def loosely(name: str) -> str:
    """A name without case and Unicode form; spaces, points, dashes and underscores are one space."""
    return re.sub(r"[\s._-]+", " ", unicodedata.normalize("NFKC", name).casefold()).strip()


def _no_match(path: Path, columns: Sequence[str], labels: LabelSpace) -> PredictionError:
    keys = [loosely(column) for column in columns]
    wanted = max((labels.names, labels.tokens), key=lambda names: len(set(map(loosely, names)) & set(keys)))
    unknown = [column for column, key in zip(columns, keys, strict=True) if key not in set(map(loosely, wanted))]
    missing = [name for name in wanted if loosely(name) not in keys]
    if not missing:
        then = "remove them; a column of ids has the name that it has in the competition's tables"
        return PredictionError(f"{path} has columns that are no class: {listed(unknown or columns)}", then)
    faults = f"has no column for {listed(missing)}" + (f", and columns that are no class: {listed(unknown)}" if unknown else "")
    then = f"name its columns by the classes ({listed(labels.names)}) or by their tokens ({listed(labels.tokens)})"
    return PredictionError(f"{path} {faults}", then)


def listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:40]) for name in names[:SHOWN])
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
