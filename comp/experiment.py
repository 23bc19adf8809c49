"""An experiment: one YAML of `configs/models/`, with what the competition and the command line change laid over it."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from comp.competition import Competition
from comp.errors import ConfigError
from comp.files import hash_of
from comp.paths import config
from comp.schema import Strict, merge, parse, read_config

Part = dict[str, Any]


class RareLabels(Strict):
    """Augmentation for rare labels alone: see `comp.data.rare`.

    `below` is how many training images a label has at least that is not rare, `target` how many each gets by changed copies.
    """

    below: int = Field(ge=1)
    target: int = Field(ge=1)
    augmentation: Part = Field(default_factory=lambda: {"name": "affine", "gain": 0, "gamma": 0})

    @model_validator(mode="after")
    def _brings_up(self) -> "RareLabels":
        if self.target < self.below:
            raise ValueError(f"target ({self.target}) is less than below ({self.below}): rare labels would not come up to the others")
        return self


class Top(Strict):
    """The `top` most frequent classes of the train table."""

    top: int = Field(ge=1)


class Training(Strict):
    """How long; one step is one batch. Trainers add what they need."""

    epochs: int = Field(20, ge=1)
    batch_size: int = Field(32, ge=1)
    lr: float = Field(1e-3, gt=0)
    threads: int = Field(1, ge=1)


class Experiment(Strict):
    """Everything that determines a model's predictions, given data, folds and versions; each trainer adds to it.

    `labels` restricts it to a subset of the classes: names or numbers, or {top: 9}; None is all.
    `parts` are its keys that name parts, by kind; `own_process` says that every network needs a process of its own.
    """

    model: str
    trainer: str
    labels: tuple[str | int, ...] | Top | None = None
    parts: ClassVar[dict[str, str]] = {}
    own_process: ClassVar[bool] = False

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


class NetworkExperiment(Experiment):
    """A network that is trained on images.

    `backbone` is its name, `weights` where its first weights come from, as the trainer knows them.
    `channels` is a part of `comp/channels/`, what the network sees of the stains; a list picks some of the competition's.
    `rare` adds changed copies of images with rare labels; `augmentation` then changes the others alone.
    `tta` is the number of flips and quarter turns whose logits are averaged in prediction.
    """

    backbone: str
    weights: str
    size: int = Field(512, ge=16, le=4096)
    channels: Part = Field(default_factory=lambda: {"name": "pick"})
    rare: RareLabels | None = None
    augmentation: Part = Field(default_factory=lambda: {"name": "dihedral"})
    sampler: Part = Field(default_factory=lambda: {"name": "shuffle"})
    tta: Literal[1, 2, 4, 8] = 1
    train: Training = Training()
    seed: int = 0
    parts: ClassVar[dict[str, str]] = {"channels": "channels", "augmentations": "augmentation", "samplers": "sampler"}

    @field_validator("channels", mode="before")
    @classmethod
    def _list_picks(cls, value: Any) -> Any:
        return {"name": "pick", "of": list(value)} if isinstance(value, list | tuple) else value


class TorchTraining(Training):
    """`precision: auto` is bf16 with channels-last where the hardware gains from it, else fp32.

    `ema` is the decay of the averaged weights that predict, per step, warmed up (0: the weights themselves).
    """

    weight_decay: float = Field(0.01, ge=0)
    warmup_epochs: float = Field(1.0, ge=0)
    clip_norm: float = Field(1.0, gt=0)
    ema: float = Field(0.995, ge=0, lt=1)
    precision: Literal["auto", "bf16", "fp32"] = "auto"


class TorchExperiment(NetworkExperiment):
    """A timm backbone, trained by `comp.trainers.torch_trainer`.

    `weights` says where ImageNet weights come from: "scratch", "timm" (its own cache or hub), a file's path
    (.pth or .safetensors), or "package:<module>" for weights that a Python package carries.
    """

    trainer: Literal["torch"] = "torch"
    weights: str = "timm"
    dropout: float = Field(0.0, ge=0, lt=1)
    loss: Part = Field(default_factory=lambda: {"name": "bce"})
    train: TorchTraining = TorchTraining()
    parts: ClassVar[dict[str, str]] = {**NetworkExperiment.parts, "losses": "loss"}


class Votes(Strict):
    """How neighbours vote, see `comp.neighbour_votes.vote`.

    `count` neighbours, each with weight exp((similarity - 1) / `temperature`); the share of images with each label in the train table
    votes with them, as much as `prior` neighbours of similarity 1.
    """

    count: int = Field(10, ge=1, le=1000)
    temperature: float = Field(0.1, gt=0)
    prior: float = Field(0.01, gt=0)


class MetricExperiment(TorchExperiment):
    """A timm backbone that embeds, trained by `comp.trainers.metric_trainer`; an image's neighbours among the training images predict.

    `embedding` is the length of the vectors, `metric` a part of `comp/metric_losses/`, the loss that pulls together what
    is of one `identity`: of one of the fold map's "groups" (antibodies), or with the same set of "labels"; "auto" becomes groups where
    the competition has a table of them, else labels. `classification` weighs `loss`, of a second head that predicts the labels; with 0
    there is none.
    """

    trainer: Literal["metric"]  # type: ignore[assignment]
    embedding: int = Field(512, ge=2)
    metric: Part = Field(default_factory=lambda: {"name": "arcface"})
    identity: Literal["auto", "groups", "labels"] = "auto"
    classification: float = Field(0.0, ge=0)
    votes: Votes = Votes()
    sampler: Part = Field(default_factory=lambda: {"name": "identities"})
    parts: ClassVar[dict[str, str]] = {**TorchExperiment.parts, "metric_losses": "metric"}


class OnEmbeddings(Experiment):
    """Stands on models that embed: the mean of their similarities says which training images are an image's neighbours.

    `embeddings` names them.
    """

    embeddings: tuple[str, ...]
    votes: Votes = Votes()

    @field_validator("embeddings", mode="before")
    @classmethod
    def _models(cls, models: Any) -> Any:
        if not isinstance(models, list | tuple) or not models or not all(isinstance(model, str) for model in models):
            raise ValueError("write a list of models that embed: [arcface-resnet50]")
        if len(set(models)) < len(models):
            raise ValueError("name each model once")
        return models


class NeighboursExperiment(OnEmbeddings):
    """No network of its own: neighbours vote, see `comp.neighbour_votes`."""

    trainer: Literal["neighbours"]


class CascadeExperiment(OnEmbeddings, TorchExperiment):
    """A timm backbone, trained by `comp.trainers.cascade_trainer`, whose last layer is told the embedding and its neighbours' votes."""

    trainer: Literal["cascade"]  # type: ignore[assignment]


class KerasTraining(Training):
    """Adam at one rate, as the article has it; `precision: bf16` computes in bfloat16 and keeps weights in float32."""

    batch_size: int = Field(4, ge=1)
    precision: Literal["bf16", "fp32"] = "fp32"


class KerasExperiment(NetworkExperiment):
    """A network of `comp.models.keras_networks`, trained by `comp.trainers.keras_trainer`.

    `weights` says where ImageNet weights come from: "scratch", "keras" (its own cache or download), or a file's path (.h5 without the
    top layers).
    """

    trainer: Literal["keras"]
    weights: str = "keras"
    dropout: float = Field(0.5, ge=0, lt=1)
    train: KerasTraining = KerasTraining()
    own_process: ClassVar[bool] = True  # TensorFlow keeps the memory of finished networks, and PyTorch cannot be loaded after it


TRAINERS: dict[str, type[Experiment]] = {
    "torch": TorchExperiment,
    "metric": MetricExperiment,
    "cascade": CascadeExperiment,
    "neighbours": NeighboursExperiment,
    "keras": KerasExperiment,
}


def load_experiment(model: str, competition: Competition, settings: dict[str, Any] | None = None, root: Path = Path()) -> Experiment:
    """The model's YAML (`like: other` lays it over another one), then the competition's overrides, then the command line's settings.

    Of what a competition changes for all models, those without a network take what they have.

    Raises:
        ConfigError: no such YAML, trainer or key, or a value that does not fit.
    """
    path = config("models", model, root)
    values = {"model": model, **read_config("models", model, root)}
    trainer = values.get("trainer", "torch")
    if not isinstance(trainer, str) or trainer not in TRAINERS:
        raise ConfigError(f"{path}: there is no trainer {trainer!r}", f"choose one of: {', '.join(TRAINERS)}")
    experiment = parse(TRAINERS[trainer], values, str(path))
    in_competition = f"overrides and model_overrides.{model} of competition {competition.name}"
    for_all = competition.overrides
    if not isinstance(experiment, NetworkExperiment):
        for_all = {key: value for key, value in for_all.items() if key in type(experiment).model_fields}
    changing = ((for_all, in_competition), (competition.model_overrides.get(model), in_competition), (settings, "SET"))
    for changes, source in changing:
        if changes:
            values = merge(values, changes)
            experiment = parse(TRAINERS[trainer], values, f"{source}, laid over {path}")
    if isinstance(experiment, MetricExperiment) and experiment.identity == "auto":
        experiment = experiment.model_copy(update={"identity": "groups" if competition.groups else "labels"})
    return experiment


def load_network(model: str, competition: Competition) -> NetworkExperiment:
    """The same of a model that trains a network on images.

    Raises:
        ConfigError: it does not, or as `load_experiment`.
    """
    experiment = load_experiment(model, competition)
    if not isinstance(experiment, NetworkExperiment):
        raise ConfigError(f"configs/models/{model}.yaml trains no network", "name a model that does")
    return experiment
