"""The YAML of a new competition, from the contents of its folder."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comp.base.errors import ConfigError
from comp.base.files import read_text
from comp.competition.competition import Columns, Competition, load_competition
from comp.competition.experiments.experiment import NetworkExperiment
from comp.competition.group_inspection import FoundGroups, find_groups
from comp.competition.ids import shorten
from comp.competition.image_inspection import FoundImages, find_images
from comp.competition.table_inspection import FoundTables, find_tables

WRITTEN = "# written by: make competition"
MOST_NUMBERED = 1000  # larger label numbers are taken for names
LONGEST_NAME = 100


@dataclass(frozen=True)
class FolderContents:
    """What a folder holds; `images` and `groups` are None if there are none. `not_used`: columns and tables that were left out."""

    folder: Path
    tables: FoundTables
    images: FoundImages | None
    groups: FoundGroups | None
    not_used: tuple[str, ...]


def inspect_folder(folder: Path) -> FolderContents:
    """Find the tables, images, groups and labels of a folder.

    Raises:
        DataError: a table is missing or wrong, or the image files follow no pattern.
    """
    tables, folder = find_tables(folder), folder.resolve()
    images = find_images(folder, tables.train_ids, tables.test_ids)
    groups, not_used = find_groups(folder, tables)
    return FolderContents(folder, tables, images, groups, tuple(not_used))


def yaml_path(name: str) -> Path:
    """The file for the YAML of a new competition.

    Raises:
        ConfigError: the name is not a file name, it is taken, or someone has written that YAML by hand.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) or len(name) > LONGEST_NAME:
        then = f"use at most {LONGEST_NAME} letters, digits, - and _"
        raise ConfigError(f"COMP={shorten(name)} is not a name for a competition", then)
    tracked, path = Path("configs/competitions") / f"{name}.yaml", Path("configs/local") / f"{name}.yaml"
    if tracked.exists():
        raise ConfigError(f"{tracked} exists", f"choose another name, or use this folder for it: make data COMP={name} DATA=dir")
    if path.exists() and not _is_ours(path):
        raise ConfigError(f"{path} was written by hand", "choose another name, or remove it")
    return path


def _is_ours(path: Path) -> bool:
    """Whether `make competition` wrote a YAML; not if it cannot be read."""
    try:
        return read_text(path).startswith(WRITTEN)
    except (OSError, UnicodeDecodeError):
        return False


def most_similar(found: FolderContents) -> Competition | None:
    """The tracked competition with the same columns, channels and labels, if any; one on Kaggle before a practice one.

    Of images with its channels, some labels suffice. Without images, all of its labels must occur: numbers alone say little.
    """
    tables, images = found.tables, found.images
    tracked = [load_competition(path.stem) for path in sorted(Path("configs/competitions").glob("*.yaml"))]
    for known in sorted(tracked, key=lambda each: each.slug is None):
        columns = (known.columns.id, known.columns.target) == (tables.columns.id, tables.columns.target)
        channels = images is None or (known.images is not None and set(known.images.channels) == set(images.channels))
        found_tokens, its_tokens = set(tables.tokens), set(known.labels.tokens)
        tokens = (found_tokens <= its_tokens if images else found_tokens == its_tokens) and "one_hot" not in tables.columns.form
        if columns and channels and tokens:
            return known
    return None


def yaml_values(name: str, found: FolderContents, like: Competition | None) -> dict[str, Any]:
    """The content of the YAML; classes and the order of channels are those of the competition `like`, if given."""
    tables, images, groups = found.tables, found.images, found.groups
    values: dict[str, Any] = {
        "title": name,
        "data": str(found.folder),
        "tables": {"train": tables.train_file, "test": tables.test_file},
        "columns": _columns(tables.columns),
        "images": None,
        **_classes(tables, like),
    }
    if images:
        channels = like.images.channels if like and like.images else images.channels
        where = {"train": images.train.folder, "test": images.test.folder, "file": images.train.pattern}
        if images.test.pattern != images.train.pattern:
            where["test_file"] = images.test.pattern
        values["images"] = {**where, "channels": list(channels)}
        smaller = min(images.samples.usual_size)
        if smaller < NetworkExperiment.model_fields["size"].default:
            values["overrides"] = {"size": max(smaller, 16)}
    if groups:
        values["groups"] = {"table": groups.file, "id": groups.id_column, "column": groups.column}
    return values


def _columns(columns: Columns) -> dict[str, str]:
    """The columns as YAML: how labels are written only if it is not the usual way."""
    values: dict[str, str] = columns.model_dump()
    usual = Columns()
    return {key: value for key, value in values.items() if key in ("id", "target", "predicted") or value != getattr(usual, key)}


def _classes(tables: FoundTables, like: Competition | None) -> dict[str, Any]:
    if like:
        return {"classes": list(like.classes)} | ({"tokens": list(like.tokens)} if like.tokens else {})
    tokens = tables.tokens
    numbers = [int(token) for token in tokens if token.isdecimal() and str(int(token)) == token]
    if len(numbers) == len(tokens) and max(numbers) < MOST_NUMBERED and "one_hot" not in tables.columns.form:
        return {"classes": [str(number) for number in range(max(numbers) + 1)]}
    return {"classes": list(tokens), "tokens": list(tokens)}
