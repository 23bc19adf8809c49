"""The settings of models that use the embeddings of other models: neighbours that vote, and a cascade."""

from typing import Any, ClassVar, Literal

from pydantic import field_validator, model_validator

from comp.competition.experiments.embedding_experiment import VoteSettings
from comp.competition.experiments.experiment import Experiment
from comp.competition.experiments.torch_experiment import TorchExperiment

SEGMENTER = "segmenter"  # among `maps`: the network that is part of this package


class DependentExperiment(Experiment):
    """A model that depends on others. The mean of their similarities decides which training images are an image's neighbours.

    `embeddings` names these models, all of which embed: `trainer: metric` or `trainer: channels`.
    """

    embeddings: tuple[str, ...]
    votes: VoteSettings = VoteSettings()

    @field_validator("embeddings", mode="before")
    @classmethod
    def _models(cls, models: Any) -> Any:
        if not isinstance(models, list | tuple) or not models or not all(isinstance(model, str) for model in models):
            raise ValueError("write a list of models that embed: [arcface-resnet50]")
        if len(set(models)) < len(models):
            raise ValueError("name each model once")
        return models


class NeighboursExperiment(DependentExperiment):
    """No network of its own: nearest neighbours vote, see `comp.neighbours.votes`."""

    trainer: Literal["neighbours"]
    of_prediction: ClassVar[frozenset[str]] = frozenset({"votes"})


class CascadeExperiment(DependentExperiment, TorchExperiment):
    """A timm backbone whose last layer also gets the embeddings and the neighbours' votes; see `comp.training.cascade_trainer`.

    `maps` names those of the `embeddings` that draw channels (`trainer: channels`). Each channel as they draw it from all others is
    a further input channel. `segmenter` among them is the packaged network: where nuclei and cells are.
    """

    trainer: Literal["cascade"]  # type: ignore[assignment]
    maps: tuple[str, ...] = ()
    later: ClassVar[frozenset[str]] = TorchExperiment.later | {"maps"}

    @model_validator(mode="after")
    def _maps_of_its_embeddings(self) -> "CascadeExperiment":
        if SEGMENTER in self.embeddings and SEGMENTER in self.maps:
            raise ValueError(f"`{SEGMENTER}` in `maps` is the packaged network; give the model of this name another one")
        if others := sorted(set(self.drawing) - set(self.embeddings)):
            raise ValueError(f"maps are drawn by models that `embeddings` names too; add {', '.join(others)} there")
        if self.maps and self.channels != {"name": "pick"}:
            raise ValueError("maps are drawn from all channels of the competition; leave `channels` out")
        return self

    @property
    def drawing(self) -> tuple[str, ...]:
        """The models among `maps`."""
        return tuple(model for model in self.maps if model != SEGMENTER)

    @field_validator("extra")
    @classmethod
    def _has_no_extra_rows(cls, value: str | None) -> str | None:
        if value is not None:
            raise ValueError("a cascade needs embeddings of all images that it is trained on, and extra rows have none")
        return value
