"""A competition's YAML: its tables, images, classes, fold plan, and what it changes in every experiment."""

from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from comp.base.errors import DataError
from comp.base.paths import Paths, config
from comp.base.schema import Strict, parse, read_config
from comp.competition.labels import LabelSpace


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
    """Where the images are: one file per channel, or one file with all channels if `file` has no {channel}."""

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
    """The table with the group (antibody, plate, patient) of each train id. Images of one group look alike."""

    table: str
    id: str = "Id"
    column: str


class FoldPlan(Strict):
    """How `make folds` splits the train images: see `comp.folds.assignment.assign_folds`.

    Attributes:
        count: the number of folds.
        split_groups: share of the groups that may be split over folds, of those with images that are not all near-duplicates.
        holdout: share of the images, in whole groups, that no fold gets.
        duplicates: look for near-duplicates and keep them together.
    """

    count: int = Field(5, ge=2, le=100)
    split_groups: float = Field(0.0, ge=0, le=1)
    holdout: float = Field(0.0, ge=0, lt=1)
    seed: int = 0
    duplicates: bool = True


class Competition(Strict):
    """One YAML of `configs/competitions/`. With `like: other` it holds only what differs from that one.

    Attributes:
        slug: the competition's name in Kaggle's addresses, if it is on Kaggle.
        data: the folder with tables and images; a relative one is below the project's root.
        images: None if the competition has tables only.
        tokens: what the tables write for each class; its number if absent.
        overrides: change every experiment (sizes, epochs); an experiment without a network takes only the keys it has.
        model_overrides: change the experiment they name.
        models: what `make models` trains.
        practice: options of the practice competition, if this is one.
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
            raise ValueError("the only metric is macro_f1")
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
        """The folder with tables and images."""
        return paths.root / self.data

    def image_files(self, paths: Paths, split: str, image_id: str) -> list[Path]:
        """The files of one image of a split ("train" or "test"), in the order of the channels; one file if it holds them all.

        Raises:
            DataError: the competition has no images.
        """
        if self.images is None:
            raise DataError(f"competition {self.name} has tables and no images", "import predictions with: make import")
        folder = self.folder(paths) / (self.images.train if split == "train" else self.images.test)
        if "{channel}" not in self.images.file:
            return [folder / self.images.file.format(id=image_id)]
        return [folder / self.images.file.format(id=image_id, channel=channel) for channel in self.images.channels]


def load_competition(name: str, root: Path = Path()) -> Competition:
    """The competition of this name.

    Raises:
        ConfigError: there is none, or its YAML is wrong; the message names the key.
    """
    path = config("competitions", name, root)
    return parse(Competition, {**read_config("competitions", name, root), "name": name}, str(path))
