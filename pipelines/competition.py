"""Write a competition's YAML for any folder in Kaggle's layout by reading it, and say what was found.

    make competition COMP=name DATA=dir    writes configs/local/name.yaml, which git ignores

The folder holds train.csv (an id and labels separated by spaces), sample_submission.csv and, unless its predictions are made
elsewhere, images: PNG, TIFF or JPEG, 8 or 16 bit, one file a channel or one with all.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from comp.competition import Competition, load_competition
from comp.data.inspection import FoundGroups, FoundImages, FoundTables, find_groups, find_images, find_tables, find_tokens
from comp.errors import ConfigError
from comp.experiment import NetworkExperiment
from comp.files import write_text
from comp.schema import parse
from pipelines.command import parser, run, say

WRITTEN = "# written by: make competition"
MOST_NUMBERED = 1000  # labels beyond are rather names that happen to be numbers
NAMED = 3


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder to read")
    given = arguments.parse_args()
    path = target(given.competition)
    folder = given.data.resolve()
    tables = find_tables(folder)
    images, groups = find_images(folder, tables), find_groups(folder, tables)
    tokens = find_tokens(tables)
    like = resembling(tables, images, tokens)
    values = settings(given.competition, folder, tables, images, groups, tokens, like)
    competition = parse(Competition, {"name": given.competition, **values}, str(path))
    for line in report(competition, tables, images, groups, like):
        say(line)
    first = f"{WRITTEN} COMP={given.competition} DATA={given.data}\n"
    write_text(path, first + yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=140))
    say(f"written: {path}; next: make {'folds' if images else 'import'} COMP={given.competition}")


def target(name: str) -> Path:
    """Where the YAML goes.

    Raises:
        ConfigError: a name that is no file name, is taken, or whose YAML someone wrote by hand.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ConfigError(f"COMP={name} is no name for a competition", "use letters, digits, - and _")
    tracked, path = Path("configs/competitions") / f"{name}.yaml", Path("configs/local") / f"{name}.yaml"
    if tracked.exists():
        raise ConfigError(f"{tracked} exists", f"choose another name, or use this folder for it: make data COMP={name} DATA=dir")
    if path.exists() and not path.read_text().startswith(WRITTEN):
        raise ConfigError(f"{path} was written by hand", "choose another name, or remove it")
    return path


def resembling(tables: FoundTables, images: FoundImages | None, tokens: tuple[str, ...]) -> Competition | None:
    """The tracked competition whose columns, channels and labels these are; one of Kaggle's before a drawn one."""
    tracked = [load_competition(path.stem) for path in sorted(Path("configs/competitions").glob("*.yaml"))]
    for known in sorted(tracked, key=lambda each: each.slug is None):
        columns = (known.columns.id, known.columns.target) == (tables.id_column, tables.target_column)
        channels = images is None or (known.images is not None and set(known.images.channels) == set(images.channels))
        if columns and channels and set(tokens) <= set(known.labels.tokens):
            return known
    return None


def settings(
    name: str,
    folder: Path,
    tables: FoundTables,
    images: FoundImages | None,
    groups: FoundGroups | None,
    tokens: tuple[str, ...],
    like: Competition | None,
) -> dict[str, Any]:
    """The content of the YAML."""
    values: dict[str, Any] = {
        "title": name,
        "data": str(folder),
        "tables": {"train": tables.train_file, "test": tables.test_file},
        "columns": {"id": tables.id_column, "target": tables.target_column, "predicted": tables.predicted_column},
        "images": None,
        **_classes(tokens, like),
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


def report(
    competition: Competition, tables: FoundTables, images: FoundImages | None, groups: FoundGroups | None, like: Competition | None
) -> list[str]:
    """What was found, a line each."""
    counts = Counter({name: 0 for name in competition.classes})
    for string in tables.label_strings:
        counts.update(competition.classes[column] for column in competition.labels.columns(dict.fromkeys(string.split())))
    ranked = [(name, count) for name, count in counts.most_common() if count]
    occurring = f"{len(ranked)} of {like.name + chr(39) + 's ' if like else ''}{len(competition.classes)} occur"
    rows = {
        "train": f"{len(tables.train_ids):,} rows in {tables.train_file} ({tables.id_column}, {tables.target_column})",
        "test": f"{len(tables.test_ids):,} rows in {tables.test_file} ({tables.id_column}, {tables.predicted_column})",
        "labels": f"{occurring}, {sum(counts.values()) / max(len(tables.train_ids), 1):.2f} an image",
        "most": ", ".join(f"{name} {count:,}" for name, count in ranked[:NAMED]),
        "fewest": ", ".join(f"{name} {count:,}" for name, count in ranked[-NAMED:]),
        "groups": f"{groups.count:,} by {groups.column} in {groups.file}" if groups else "none found",
    }
    if images is None:
        rows["images"] = "none found: for predictions made elsewhere"
    else:
        rows["images"] = f"{images.train_folder}/ and {images.test_folder}/, named {images.pattern}"
        rows["channels"] = ", ".join(competition.images.channels if competition.images else ())
        rows["stored as"] = f"{_counted(images.formats)}, {_counted(images.bits)} bits, {_sizes(images)} (of {images.sizes.total()} opened)"
        rows["missing"] = _missing(images)
    return [f"{competition.data}", *(f"  {key:<10}{value}" for key, value in rows.items())]


def _counted(values: Counter[Any]) -> str:
    return " and ".join(str(value) for value, _ in values.most_common())


def _sizes(images: FoundImages) -> str:
    first = ", ".join(f"{width} x {height} px" for (width, height), _ in images.sizes.most_common(NAMED))
    return first + (f" and {len(images.sizes) - NAMED} more sizes" if len(images.sizes) > NAMED else "")


def _missing(images: FoundImages) -> str:
    parts = []
    for part, ids in images.missing.items():
        if ids:
            parts.append(f"{part} images of {len(ids):,} ids ({', '.join(ids[:NAMED])}{', ...' if len(ids) > NAMED else ''})")
    return "; ".join(parts) or "no image"


if __name__ == "__main__":
    run(main)
