"""An experiment: one YAML of `configs/models/`, with what the competition and the command line change laid over it."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from comp.competition import Competition
from comp.files import hash_of
from comp.paths import config
from comp.schema import Strict, merge, parse, read_yaml

Part = dict[str, Any]


class Training(Strict):
    """How long and how fast; one step is one batch.

    `precision: auto` is bf16 with channels-last where the hardware gains from it, else fp32.
    `ema` is the decay of the averaged weights that predict, per step, warmed up (0: the weights themselves).
    """

    epochs: int = Field(20, ge=1)
    batch_size: int = Field(32, ge=1)
    lr: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    warmup_epochs: float = Field(1.0, ge=0)
    clip_norm: float = Field(1.0, gt=0)
    ema: float = Field(0.995, ge=0, lt=1)
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    threads: int = Field(1, ge=1)


class Experiment(Strict):
    """Everything that determines a model's predictions, given data, folds and versions.

    `weights` says where ImageNet weights come from: "scratch", "timm" (its own cache or hub), a file's path
    (.pth or .safetensors), or "package:<module>" for weights that a Python package carries.
    `channels` picks and orders the competition's channels; None takes them all.
    `tta` is the number of flips and quarter turns whose logits are averaged in prediction.
    """

    model: str
    backbone: str
    weights: str = "timm"
    size: int = Field(512, ge=16, le=4096)
    channels: tuple[str, ...] | None = None
    dropout: float = Field(0.0, ge=0, lt=1)
    loss: Part = Field(default_factory=lambda: {"name": "bce"})
    augmentation: Part = Field(default_factory=lambda: {"name": "dihedral"})
    sampler: Part = Field(default_factory=lambda: {"name": "shuffle"})
    tta: Literal[1, 2, 4, 8] = 1
    train: Training = Training()
    seed: int = 0

    @property
    def hash(self) -> str:
        return hash_of(self.model_dump(mode="json"))


def load_experiment(model: str, competition: Competition, settings: dict[str, Any] | None = None, root: Path = Path()) -> Experiment:
    """The model's YAML, then the competition's overrides, then the command line's settings."""
    path = config("models", model, root)
    values = {"model": model, **read_yaml(path)}
    experiment = parse(Experiment, values, str(path))
    in_competition = f"overrides and models.{model} of competition {competition.name}"
    for changes, source in ((competition.overrides, in_competition), (competition.models.get(model), in_competition), (settings, "SET")):
        if changes:
            values = merge(values, changes)
            experiment = parse(Experiment, values, f"{source}, laid over {path}")
    return experiment
