"""What `make competition` understood of a folder, as lines that show a wrong guess: with an example row and an example image."""

from collections import Counter
from typing import Any

from comp.competition.competition import Competition
from comp.competition.competition_yaml import FolderContents
from comp.competition.csv_file import SEPARATORS
from comp.competition.ids import shorten
from comp.competition.image_inspection import FoundImages
from comp.competition.label_forms import FORMS
from comp.competition.table_inspection import FoundTables

NAMED = 3
_NAMED_UNUSED = 6


def describe(competition: Competition, found: FolderContents, like: Competition | None) -> list[str]:
    """What was found, as lines."""
    tables, images, groups = found.tables, found.images, found.groups
    lines = {
        **_tables(tables),
        **_labels(competition, tables, like),
        "groups": f"{groups.count:,} by {groups.column} in {groups.file}" if groups else "none found",
    }
    if found.not_used:
        lines["not used"] = _first(found.not_used, _NAMED_UNUSED)
    lines |= _images(competition, images) if images else {"images": "none found: for imported predictions"}
    return [f"{competition.data}", *(f"  {key:<10}{value}" for key, value in lines.items())]


def _tables(tables: FoundTables) -> dict[str, str]:
    columns, separators = tables.columns, [f", separated by {SEPARATORS[mark]}" if mark != "," else "" for mark in tables.separators]
    rows = "ids" if columns.form.startswith("long") else "rows"
    labels = f"{len(tables.tokens)} columns of classes" if columns.form == "one_hot" else columns.target
    few = len(tables.test_columns) < 4
    values = ", ".join(tables.test_columns) if few else f"{columns.id} and {len(tables.test_columns) - 1} more columns"
    return {
        "train": f"{len(tables.train_ids):,} {rows} in {tables.train_file} ({columns.id}, {shorten(labels)}){separators[0]}",
        "test": f"{len(tables.test_ids):,} {rows} in {tables.test_file} ({shorten(values)}){separators[1]}",
    }


def _labels(competition: Competition, tables: FoundTables, like: Competition | None) -> dict[str, str]:
    columns = tables.columns
    rows = [[competition.classes[column] for column in competition.labels.columns(dict.fromkeys(labels))] for labels in tables.labels]
    counts = Counter({name: 0 for name in competition.classes})
    counts.update(name for names in rows for name in names)
    ranked = [(shorten(name), count) for name, count in counts.most_common() if count]
    owner = f"{like.name}'s " if like else ""
    lines = {"labels": f"{len(ranked)} of {owner}{len(competition.classes)} occur, {counts.total() / max(len(rows), 1):.2f} per image"}
    if columns.form != "labels" or columns.separator != " ":
        between = f", {columns.separator!r} between them" if columns.form == "labels" else ""
        lines["labels as"] = FORMS[columns.form] + between
    absent = tuple(shorten(name) for name, count in counts.items() if not count)
    if absent and not like and competition.tokens is None:
        lines["note"] = (
            f"no image has class {_first(absent, NAMED)}; a class without a hit counts as F1 0 in every score: "
            "take out of `classes` in the YAML what is no class, and write the list that is left as `tokens` too"
        )
    labelled = next(row for row, names in enumerate(rows) if names)
    lines["one row"] = f"{shorten(tables.train_ids[labelled])}: {shorten(', '.join(rows[labelled]))}"
    lines["most"] = ", ".join(f"{name} {count:,}" for name, count in ranked[:NAMED])
    lines["fewest"] = ", ".join(f"{name} {count:,}" for name, count in ranked[-NAMED:])
    if tables.test_columns != (columns.id, columns.predicted) or columns.form.startswith("long") or columns.separator != " ":
        text = f"{columns.id},{columns.predicted}: labels of an id with {columns.separator!r} between them"
        lines["submit as"] = f"{text}; compare that with Kaggle's description before: make submit"
    return lines


def _images(competition: Competition, images: FoundImages) -> dict[str, str]:
    train, test, samples = images.train, images.test, images.samples
    same = train.pattern == test.pattern
    lines = {
        "images": f"{_where(train.folder, test.folder)}, named {train.pattern}{'' if same else f' and {test.pattern}'}",
        "one image": ", ".join(path.relative_to(competition.data).as_posix() for path in images.example),
        "channels": ", ".join(competition.images.channels if competition.images else ()),
        "stored as": f"{_counted(samples.formats)}, {_counted(samples.bits)} bits, {_sizes(images)} (of {samples.sizes.total()} opened)",
    }
    if others := tuple(dict.fromkeys((*train.left_out, *test.left_out))):
        lines["left out"] = f"files named {_first(others, NAMED)}"
    usual = samples.usual_size
    smaller = tuple(f"{name} ({width} x {height} px)" for name, (width, height) in samples.opened if min(width, height) < min(usual))
    if smaller:
        lines["size"] = f"{usual[0]} x {usual[1]} px is the usual one; smaller: {_first(smaller, NAMED)}"
    if samples.used_bits:
        told = f"images: {{bits: {samples.used_bits}}}"
        lines["range"] = (
            f"no value above {samples.high:,.0f} in 16 bits: if {2**samples.used_bits - 1:,} is white, write {told} into the YAML"
        )
    if samples.floats:
        lines["range"] = (
            f"floats from {samples.low:g} to {samples.high:g}: write black and white into the YAML, e.g. images: {{range: [0, 1]}}"
        )
    lines["missing"] = _missing(images)
    return lines


def _where(train: str, test: str) -> str:
    return f"{train}/ and {test}/" if train != test else "this folder" if train == "." else f"{train}/"


def _counted(values: Counter[Any]) -> str:
    return " and ".join(str(value) for value, _ in values.most_common())


def _first(values: tuple[str, ...], count: int) -> str:
    return ", ".join(values[:count]) + (f" and {len(values) - count:,} more" if len(values) > count else "")


def _sizes(images: FoundImages) -> str:
    sizes = images.samples.sizes
    first = ", ".join(f"{width} x {height} px" for (width, height), _ in sizes.most_common(NAMED))
    return first + (f" and {len(sizes) - NAMED} more sizes" if len(sizes) > NAMED else "")


def _missing(images: FoundImages) -> str:
    described = []
    for split, ids in images.missing.items():
        if ids:
            described.append(f"{split} images of {len(ids):,} ids ({', '.join(ids[:NAMED])}{', ...' if len(ids) > NAMED else ''})")
    return "; ".join(described) or "no image"
