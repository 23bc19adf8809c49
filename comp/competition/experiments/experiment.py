"""The settings that all experiments share, and those of all networks that are trained on images."""

from typing import Any, ClassVar, Literal

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from comp.base.errors import ConfigError
from comp.base.files import hash_of
from comp.base.paths import check_name
from comp.base.schema import Strict

LARGEST_SEED = 2**32 - 1
Spec = dict[str, Any]  # a plug-in's name and options, for `comp.base.registry.build`


class RareLabels(Strict):
    """Augmentation for rare labels alone: see `comp.images.rare_copies`.

    A label is rare if fewer than `below` training images carry it. Changed copies bring it up to `target` images.
    """

    below: int = Field(ge=1, le=1_000_000)
    target: int = Field(ge=1, le=1_000_000)
    augmentation: Spec = Field(default_factory=lambda: {"name": "affine", "gain": 0, "gamma": 0})

    @model_validator(mode="after")
    def _brings_up(self) -> "RareLabels":
        if self.target < self.below:
            raise ValueError(f"target ({self.target}) is less than below ({self.below}): rare labels would not come up to the others")
        return self


class Top(Strict):
    """The `top` most frequent classes of the train table."""

    top: int = Field(ge=1)


class Training(Strict):
    """How long a network is trained; one step is one batch. Trainers add what they need.

    `validate` says how often a network is validated while it trains, for the eye: it changes no prediction. So it is no part of what
    is dumped, compared and hashed.
    """

    epochs: int = Field(20, ge=1, le=100_000)
    batch_size: int = Field(32, ge=1, le=65_536)
    lr: float = Field(1e-3, gt=0)
    threads: int = Field(1, ge=1, le=1024)
    validations: int = Field(10, ge=0, le=1000, alias="validate", exclude=True)  # pydantic has a method `validate`


class Resources(Strict):
    """What one fold gets of a cluster; on this machine nothing is reserved.

    Attributes:
        gpus: None: one for a network, if the cluster has GPUs.
        cpus: None: as many as `train.threads`.
        memory_gb: None: as much as there is.
    """

    gpus: int | None = Field(None, ge=0, le=64)
    cpus: int | None = Field(None, ge=1, le=1024)
    memory_gb: float | None = Field(None, gt=0, le=100_000)


class Experiment(Strict):
    """Everything that determines a model's predictions, given data, folds and versions; each trainer adds to it.

    `labels` restricts the model to a subset of the classes: names or numbers, or {top: 9}; None means all.
    `plug_ins` says which keys name a plug-in: kind of plug-in -> key.
    `own_process` is true if every network needs a process of its own.
    `of_prediction` names the settings that matter in prediction alone: a trained network can predict again with others.
    `resources` changes no prediction, so it is no part of what is dumped, compared and hashed.
    """

    model: str
    trainer: str
    resources: Resources = Field(default=Resources(), exclude=True)
    labels: tuple[str | int, ...] | Top | None = None
    plug_ins: ClassVar[dict[str, str]] = {}
    own_process: ClassVar[bool] = False
    of_prediction: ClassVar[frozenset[str]] = frozenset()

    @field_validator("labels", mode="before")
    @classmethod
    def _classes_or_top(cls, value: Any) -> Any:
        if value is None or isinstance(value, Top):
            return value
        if isinstance(value, list | tuple) and value and all(type(each) in (str, int) for each in value):
            return tuple(value)
        if isinstance(value, dict) and set(value) == {"top"} and type(value["top"]) is int and value["top"] > 0:
            return Top(**value)
        raise ValueError("write names or numbers, [Nucleoplasm, 25], or {top: 9}")

    @property
    def hash(self) -> str:
        return hash_of(self.model_dump(mode="json"))

    @property
    def training_settings(self) -> dict[str, Any]:
        """The settings that determine a trained network: all but those of prediction alone."""
        return self.model_dump(mode="json", exclude=set(self.of_prediction))


class NetworkExperiment(Experiment):
    """A network that is trained on images.

    `backbone` is its name and `initial_weights` where they come from; each trainer says what both may be. `hub` has those of ImageNet.
    `channels` is a plug-in of `comp/images/channels/`: what the network sees of the stains. A list picks some of the competition's.
    `rare` adds changed copies of images with rare labels; `augmentation` then changes only the other images.
    `extra` is the name of a set of extra rows, which are trained on only: see `comp.competition.extra_rows`.
    `tta` (test-time augmentation) is the number of flips and quarter turns whose logits are averaged in prediction.
    `predict_batch_size` is how many images are predicted at once, twice the batch size of training by default. It changes speed and memory,
    so it is no part of what is dumped, compared and hashed.
    """

    backbone: str
    initial_weights: str
    size: int = Field(512, ge=16, le=4096)
    channels: Spec = Field(default_factory=lambda: {"name": "pick"})
    rare: RareLabels | None = None
    extra: str | None = None
    augmentation: Spec = Field(default_factory=lambda: {"name": "dihedral"})
    sampler: Spec = Field(default_factory=lambda: {"name": "shuffle"})
    tta: Literal[1, 2, 4, 8] = 1
    predict_batch_size: int | None = Field(None, ge=1, le=65_536, exclude=True)
    train: Training = Training()
    seed: int = Field(0, ge=0, le=LARGEST_SEED)
    hub: ClassVar[str] = "timm"
    plug_ins: ClassVar[dict[str, str]] = {"channels": "channels", "augmentations": "augmentation", "samplers": "sampler"}
    of_prediction: ClassVar[frozenset[str]] = frozenset({"tta"})
    later: ClassVar[frozenset[str]] = frozenset({"extra"})

    @model_serializer(mode="wrap")
    def _without_later_keys(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Keys that came later are left out where they are empty, so that folds from before them stay as they are asked for."""
        dumped: dict[str, Any] = dump(self)
        return {key: value for key, value in dumped.items() if key not in self.later or value}

    @field_validator("extra")
    @classmethod
    def _names_a_set(cls, value: str | None) -> str | None:
        try:
            return value if value is None else check_name("set of extra rows", value)
        except ConfigError as error:
            raise ValueError(str(error)) from None

    @property
    def devices(self) -> int:
        """How many devices train one network together."""
        return 1

    @field_validator("channels", mode="before")
    @classmethod
    def _list_picks(cls, value: Any) -> Any:
        return {"name": "pick", "of": list(value)} if isinstance(value, list | tuple) else value
