"""The YAML of a new competition, from the contents of its folder in Kaggle's layout; and these contents as lines."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comp.base.errors import ConfigError
from comp.competition.competition import Competition, load_competition
from comp.competition.experiments.experiment import NetworkExperiment
from comp.competition.image_inspection import FoundImages, find_images
from comp.competition.table_inspection import FoundGroups, FoundTables, find_groups, find_tables, find_tokens

WRITTEN = "# written by: make competition"
MOST_NUMBERED = 1000  # larger label numbers are taken for names
NAMED = 3


@dataclass(frozen=True)
class FolderContents:
    """What a folder in Kaggle's layout holds; `images` and `groups` are None if there are none."""

    folder: Path
    tables: FoundTables
    images: FoundImages | None
    groups: FoundGroups | None
    tokens: tuple[str, ...]


def inspect_folder(folder: Path) -> FolderContents:
    """Find the tables, images, groups and labels of a folder.

    Raises:
        DataError: a table is missing or wrong, or the image files follow no pattern.
    """
    tables = find_tables(folder)
    images, groups = find_images(folder, tables), find_groups(folder, tables)
    return FolderContents(folder, tables, images, groups, find_tokens(tables))


def yaml_path(name: str) -> Path:
    """The file for the YAML of a new competition.

    Raises:
        ConfigError: the name is not a file name, it is taken, or someone has written that YAML by hand.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ConfigError(f"COMP={name} is not a name for a competition", "use letters, digits, - and _")
    tracked, path = Path("configs/competitions") / f"{name}.yaml", Path("configs/local") / f"{name}.yaml"
    if tracked.exists():
        raise ConfigError(f"{tracked} exists", f"choose another name, or use this folder for it: make data COMP={name} DATA=dir")
    if path.exists() and not path.read_text().startswith(WRITTEN):
        raise ConfigError(f"{path} was written by hand", "choose another name, or remove it")
    return path


def most_similar(found: FolderContents) -> Competition | None:
    """The tracked competition with the same columns, channels and labels, if any; one on Kaggle before a practice one."""
    tables, images = found.tables, found.images
    tracked = [load_competition(path.stem) for path in sorted(Path("configs/competitions").glob("*.yaml"))]
    for known in sorted(tracked, key=lambda each: each.slug is None):
        columns = (known.columns.id, known.columns.target) == (tables.id_column, tables.target_column)
        channels = images is None or (known.images is not None and set(known.images.channels) == set(images.channels))
        if columns and channels and set(found.tokens) <= set(known.labels.tokens):
            return known
    return None


def yaml_values(name: str, found: FolderContents, like: Competition | None) -> dict[str, Any]:
    """The content of the YAML; classes and the order of channels are those of the competition `like`, if given."""
    tables, images, groups = found.tables, found.images, found.groups
    values: dict[str, Any] = {
        "title": name,
        "data": str(found.folder),
        "tables": {"train": tables.train_file, "test": tables.test_file},
        "columns": {"id": tables.id_column, "target": tables.target_column, "predicted": tables.predicted_column},
        "images": None,
        **_classes(found.tokens, like),
    }
    if images:
        channels = like.images.channels if like and like.images else images.channels
        where = {"train": images.train_folder, "test": images.test_folder, "file": images.pattern}
        values["images"] = {**where, "channels": list(channels)}
        smallest = min(min(size) for size in images.sizes)
        if smallest < NetworkExperiment.model_fields["size"].default:
            values["overrides"] = {"size": max(smallest, 16)}
    if groups:
        values["groups"] = {"table": groups.file, "id": groups.id_column, "column": groups.column}
    return values


def _classes(tokens: tuple[str, ...], like: Competition | None) -> dict[str, Any]:
    if like:
        return {"classes": list(like.classes)} | ({"tokens": list(like.tokens)} if like.tokens else {})
    numbers = [int(token) for token in tokens if token.isdecimal() and str(int(token)) == token]
    if len(numbers) == len(tokens) and max(numbers) < MOST_NUMBERED:
        return {"classes": [str(number) for number in range(max(numbers) + 1)]}
    return {"classes": list(tokens), "tokens": list(tokens)}


def describe(competition: Competition, found: FolderContents, like: Competition | None) -> list[str]:
    """What was found, as lines."""
    tables, images, groups = found.tables, found.images, found.groups
    counts = Counter({name: 0 for name in competition.classes})
    for string in tables.label_strings:
        counts.update(competition.classes[column] for column in competition.labels.columns(dict.fromkeys(string.split())))
    ranked = [(name, count) for name, count in counts.most_common() if count]
    per_image = sum(counts.values()) / max(len(tables.train_ids), 1)
    owner = f"{like.name}'s " if like else ""
    lines = {
        "train": f"{len(tables.train_ids):,} rows in {tables.train_file} ({tables.id_column}, {tables.target_column})",
        "test": f"{len(tables.test_ids):,} rows in {tables.test_file} ({tables.id_column}, {tables.predicted_column})",
        "labels": f"{len(ranked)} of {owner}{len(competition.classes)} occur, {per_image:.2f} per image",
        "most": ", ".join(f"{name} {count:,}" for name, count in ranked[:NAMED]),
        "fewest": ", ".join(f"{name} {count:,}" for name, count in ranked[-NAMED:]),
        "groups": f"{groups.count:,} by {groups.column} in {groups.file}" if groups else "none found",
    }
    if images is None:
        lines["images"] = "none found: for imported predictions"
    else:
        lines["images"] = f"{images.train_folder}/ and {images.test_folder}/, named {images.pattern}"
        lines["channels"] = ", ".join(competition.images.channels if competition.images else ())
        lines["stored as"] = (
            f"{_counted(images.formats)}, {_counted(images.bits)} bits, {_sizes(images)} (of {images.sizes.total()} opened)"
        )
        lines["missing"] = _missing(images)
    return [f"{competition.data}", *(f"  {key:<10}{value}" for key, value in lines.items())]


def _counted(values: Counter[Any]) -> str:
    return " and ".join(str(value) for value, _ in values.most_common())


def _sizes(images: FoundImages) -> str:
    first = ", ".join(f"{width} x {height} px" for (width, height), _ in images.sizes.most_common(NAMED))
    return first + (f" and {len(images.sizes) - NAMED} more sizes" if len(images.sizes) > NAMED else "")


def _missing(images: FoundImages) -> str:
    described = []
    for split, ids in images.missing.items():
        if ids:
            described.append(f"{split} images of {len(ids):,} ids ({', '.join(ids[:NAMED])}{', ...' if len(ids) > NAMED else ''})")
    return "; ".join(described) or "no image"
