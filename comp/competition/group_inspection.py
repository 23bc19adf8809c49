"""Finding the column that says which train images belong together: by its name, in any table with all train ids."""

import re
from dataclasses import dataclass
from pathlib import Path

from comp.base.errors import DataError
from comp.competition.csv_file import read_csv
from comp.competition.table_inspection import FoundTables, table_names

GROUPS = (
    "antibody", "patient", "subject", "donor", "individual", "case", "group", "plate", "well", "slide", "specimen", "study", "series",
    "batch", "experiment", "artist", "author", "site", "session",
)  # fmt: skip
_NAME = re.compile(rf"({'|'.join(GROUPS)})s?(id|ids|no|nr|num|number|name|code|index|key)?")


@dataclass(frozen=True)
class FoundGroups:
    """A column that gives every train id its group."""

    file: str
    id_column: str
    column: str
    count: int


def find_groups(folder: Path, tables: FoundTables) -> tuple[FoundGroups | None, list[str]]:
    """The column that is best by its name, if any; and what was not taken, as "fold of folds.csv"."""
    candidates: list[tuple[int, FoundGroups]] = []
    others = []
    ids = set(tables.train_ids)
    for name in table_names(folder):
        if name == tables.test_file:
            continue
        own = name == tables.train_file
        try:
            table = read_csv(folder / name)
        except DataError as error:
            others.append(f"{name} ({error.what.removeprefix(str(folder / name)).strip()})")
            continue
        found = [tables.columns.id] if own else [str(column) for column in table.columns if ids <= set(table[column])]
        if not found:
            continue
        labels = {found[0], tables.columns.target, *tables.tokens} if own else {found[0]}
        rows = table[table[found[0]].isin(ids)]
        for column in (str(name) for name in table.columns if name not in labels):
            groups = rows.drop_duplicates([found[0], column]) if tables.columns.form == "long" else rows
            rank = _rank(column)
            differ = not groups[found[0]].duplicated().any() and 1 < groups[column].nunique() < len(groups)
            if rank is not None and differ and len(groups) == len(ids):
                candidates.append((rank, FoundGroups(name, found[0], column, groups[column].nunique())))
            else:
                others.append(f"{column} of {name}")
    if not candidates:
        return None, others
    best = min(candidates, key=lambda candidate: candidate[0])[1]
    return best, others + [f"{group.column} of {group.file}" for _, group in candidates if group != best]


def _rank(column: str) -> int | None:
    """The place in GROUPS of the word that the name of a column has, e.g. `PatientID` or `plate_no`; None if it has none."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", column)
    places = [GROUPS.index(match[1]) for word in words if (match := _NAME.fullmatch(word.lower()))]
    return min(places) if places else None
