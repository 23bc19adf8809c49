"""A competition's YAML: its tables, images, classes, fold plan, and what it changes in every experiment."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, FiniteFloat, field_validator, model_validator

from comp.base.errors import DataError
from comp.base.paths import Paths, config
from comp.base.schema import Strict, parse, read_config
from comp.competition.file_finder import FileFinder, check_pattern, files_of
from comp.competition.label_forms import Form
from comp.competition.labels import LabelSpace


class Tables(Strict):
    """File names below the data folder: CSVs whose columns are separated by comma, semicolon, tab or |."""

    train: str = "train.csv"
    test: str = "sample_submission.csv"


class Columns(Strict):
    """Column names in the tables, and how labels are written there.

    Attributes:
        predicted: the column of labels in a submission.
        form: of the train table. `labels`: one string an id in the column `target`; `one_hot`: a column of 0 and 1 for each token;
            `long`: a row for each label, so an id has several; `long_one_hot`: rows such as `a1_any,1`, id and token joined by `_`.
        separator: between the labels of a string, in the train table and in submissions.
    """

    id: str = "Id"
    target: str = "Target"
    predicted: str = "Predicted"
    form: Form = "labels"
    separator: Literal[" ", "|", ";", ","] = " "


class Images(Strict):
    """Where the images are: one file per channel, or one file with all channels if `file` has no {channel}.

    Attributes:
        train, test: folders below the data folder; "." is the data folder itself.
        file: pattern of the paths below them, e.g. `{channel}/{id}.png`. A leading `**/` stands for any folders, `.*` for any image ending.
        test_file: the same for the test images, if it differs.
        bits: how many bits of 16-bit files are used: values up to 2^bits - 1.
        range: the stored values that are black and white, e.g. [0, 1] in files of floats.
    """

    train: str = "train"
    test: str = "test"
    file: str = "{id}_{channel}.png"
    test_file: str | None = None
    channels: tuple[str, ...] = ("red", "green", "blue", "yellow")
    bits: int | None = Field(None, ge=1, le=16)
    range: tuple[FiniteFloat, FiniteFloat] | None = None

    @field_validator("file", "test_file")
    @classmethod
    def _is_a_pattern(cls, value: str | None) -> str | None:
        if value is not None:
            check_pattern(value)
        return value

    @field_validator("channels")
    @classmethod
    def _name_channels(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or len(set(value)) != len(value):
            raise ValueError("give every channel a name of its own")
        return value

    @model_validator(mode="after")
    def _one_range(self) -> "Images":
        if self.bits is not None and self.range is not None:
            raise ValueError("give bits or range, not both")
        if self.range is not None and self.range[0] >= self.range[1]:
            raise ValueError("range is [black, white], with black below white")
        if self.test_file is not None and ("{channel}" in self.test_file) != ("{channel}" in self.file):
            raise ValueError("file and test_file both contain {channel}, or neither does")
        return self

    @property
    def levels(self) -> tuple[float, float] | None:
        """The stored values that are black and white; None: the whole range of the file's type."""
        return (0.0, float(2**self.bits - 1)) if self.bits else self.range


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
    seed: int = Field(0, ge=0, le=2**32 - 1)
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
    slug: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$", max_length=100)
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
        tokens = self.tokens or tuple(str(number) for number in range(len(self.classes)))
        return LabelSpace(self.classes, tokens, self.columns.separator)

    def folder(self, paths: Paths) -> Path:
        """The folder with tables and images."""
        return paths.root / self.data

    def image_files(self, paths: Paths, split: str, image_id: str) -> list[Path]:
        """The files of one image of a split ("train" or "test"), in the order of the channels; one file if it holds them all.

        Raises:
            DataError: the competition has no images, or several files match.
        """
        return self.all_image_files(paths, split, [image_id])[image_id]

    def all_image_files(self, paths: Paths, split: str, ids: Sequence[str]) -> dict[str, list[Path]]:
        """The files of each id, as `image_files`. The folder is walked once at most. A file that is not there has the path expected."""
        if self.images is None:
            raise DataError(f"competition {self.name} has tables and no images", "import predictions with: make import")
        folder = self.folder(paths) / (self.images.train if split == "train" else self.images.test)
        pattern = (self.images.test_file if split == "test" else None) or self.images.file
        return files_of(ids, FileFinder(folder), pattern, self.images.channels)


def load_competition(name: str, root: Path = Path()) -> Competition:
    """The competition of this name.

    Raises:
        ConfigError: there is none, or its YAML is wrong; the message names the key.
    """
    path = config("competitions", name, root)
    return parse(Competition, {**read_config("competitions", name, root), "name": name}, str(path))
