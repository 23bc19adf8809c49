"""A competition: its tables, images, classes and what it changes about every experiment."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from comp.errors import DataError
from comp.labels import LabelSpace
from comp.paths import Paths, config
from comp.schema import Strict, parse, read_config


class Tables(Strict):
    """File names below the data folder."""

    train: str = "train.csv"
    test: str = "sample_submission.csv"


class Columns(Strict):
    """Column names in the tables."""

    id: str = "Id"
    target: str = "Target"
    predicted: str = "Predicted"


class Images(Strict):
    """Where the images lie: one file a channel, or one file with all channels where `file` lacks {channel}."""

    train: str = "train"
    test: str = "test"
    file: str = "{id}_{channel}.png"
    channels: tuple[str, ...] = ("red", "green", "blue", "yellow")

    @field_validator("file")
    @classmethod
    def _names_the_id(cls, value: str) -> str:
        try:
            value.format(id="", channel="")
        except (KeyError, IndexError, ValueError):
            raise ValueError("the pattern may contain {id} and {channel} only") from None
        if "{id}" not in value:
            raise ValueError("the pattern must contain {id}")
        return value


class Groups(Strict):
    """A table that gives each train id its group (antibody, plate, patient): images of one group look alike."""

    table: str
    id: str = "Id"
    column: str


class FoldPlan(Strict):
    """How `make folds` splits: see `comp.folds.assign`."""

    count: int = Field(5, ge=2, le=100)
    overlap: float = Field(0.0, ge=0, le=1)
    holdout: float = Field(0.0, ge=0, lt=1)
    seed: int = 0
    duplicates: bool = True


class Competition(Strict):
    """One YAML of `configs/competitions/`; with `like: other` it holds only what differs from that one.

    `overrides` is laid over every experiment (sizes, epochs; those without a network take what they have), `model_overrides` over
    the one it names. `models` are those that
    `make models` trains.
    `practice` holds the options of the drawn competition, where this is one. `images` is absent for bare tables.
    """

    name: str
    title: str
    slug: str | None = None
    data: str
    tables: Tables = Tables()
    columns: Columns = Columns()
    images: Images | None = Images()
    classes: tuple[str, ...]
    tokens: tuple[str, ...] | None = None
    metric: str = "macro_f1"
    groups: Groups | None = None
    folds: FoldPlan = FoldPlan()
    overrides: dict[str, Any] = Field(default_factory=dict)
    model_overrides: dict[str, dict[str, Any]] = Field(default_factory=dict)
    models: tuple[str, ...] = ()
    practice: dict[str, Any] | None = None

    @field_validator("metric")
    @classmethod
    def _known_metric(cls, value: str) -> str:
        if value != "macro_f1":
            raise ValueError("macro_f1 is the metric this toolkit optimises")
        return value

    @field_validator("classes", "tokens", mode="before")
    @classmethod
    def _strings(cls, value: Any) -> Any:
        return tuple(str(item) for item in value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _labels_fit(self) -> "Competition":
        _ = self.labels
        return self

    @cached_property
    def labels(self) -> LabelSpace:
        return LabelSpace(self.classes, self.tokens) if self.tokens else LabelSpace.numbered(self.classes)

    def folder(self, paths: Paths) -> Path:
        """The folder with tables and images; relative ones lie below the project's root."""
        return paths.root / self.data

    def image_files(self, paths: Paths, part: str, image_id: str) -> list[Path]:
        """The files of one image, in the order of the channels; one file if it holds them all."""
        if self.images is None:
            raise DataError(f"competition {self.name} has tables and no images", "import predictions with: make import")
        folder = self.folder(paths) / (self.images.train if part == "train" else self.images.test)
        if "{channel}" not in self.images.file:
            return [folder / self.images.file.format(id=image_id)]
        return [folder / self.images.file.format(id=image_id, channel=channel) for channel in self.images.channels]


def load_competition(name: str, root: Path = Path()) -> Competition:
    path = config("competitions", name, root)
    return parse(Competition, {**read_config("competitions", name, root), "name": name}, str(path))


def read_ids(path: Path, column: str, then: str) -> tuple[str, ...]:
    """The id column of a CSV, unique and in the file's order; `then` is what to type when the file is missing."""
    return tuple(_read_table(path, [column], then)[column])


def read_train(competition: Competition, paths: Paths) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    """Ids and labels (N, C) of the train table.

    Raises:
        DataError: missing file or column, a duplicate or empty id, an unknown label; the message names it.
    """
    path = competition.folder(paths) / competition.tables.train
    table = _read_table(path, [competition.columns.id, competition.columns.target], _how_to_get(competition))
    ids = tuple(table[competition.columns.id])
    return ids, competition.labels.multi_hot(table[competition.columns.target], ids, str(path))


def read_test_ids(competition: Competition, paths: Paths) -> tuple[str, ...]:
    """Ids of the sample submission, in its order."""
    return read_ids(competition.folder(paths) / competition.tables.test, competition.columns.id, _how_to_get(competition))


def read_groups(competition: Competition, paths: Paths, ids: tuple[str, ...]) -> tuple[str, ...] | None:
    """The group of each train id, or None where the competition has no groups.

    Raises:
        DataError: the table lacks an id.
    """
    if competition.groups is None:
        return None
    path = competition.folder(paths) / competition.groups.table
    table = _read_table(path, [competition.groups.id, competition.groups.column], _how_to_get(competition))
    group_of = dict(zip(table[competition.groups.id], table[competition.groups.column], strict=True))
    for image_id in ids:
        if image_id not in group_of:
            raise DataError(f"{path}: id {image_id} has no row", "add its group, or remove `groups` from the competition's YAML")
    return tuple(group_of[image_id] for image_id in ids)


def _how_to_get(competition: Competition) -> str:
    return f"get the data with: make data COMP={competition.name}"


def _read_table(path: Path, columns: list[str], then: str) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise DataError(f"there is no {path}", then) from None
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(f"{path} cannot be read as CSV ({' '.join(str(error).split())})", "check the file") from None
    for column in columns:
        if column not in table.columns:
            then = f"it has {', '.join(table.columns)}; correct `columns` in the competition's YAML"
            raise DataError(f"{path} has no column {column!r}", then)
    ids = table[columns[0]]
    if (repeated := ids[ids.duplicated()]).size:
        raise DataError(f"{path}: id {repeated.iloc[0]} appears twice", "remove one of its rows")
    if (ids.str.strip() == "").any():
        raise DataError(f"{path}: row {int((ids.str.strip() == '').argmax()) + 2} has no id", "give it one, or remove it")
    return table
