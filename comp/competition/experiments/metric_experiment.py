"""The settings of a network that learns embeddings with a metric loss."""

from typing import ClassVar, Literal

from pydantic import Field

from comp.competition.experiments.embedding_experiment import EmbeddingExperiment
from comp.competition.experiments.experiment import Spec
from comp.competition.experiments.torch_experiment import TorchExperiment


class MetricExperiment(EmbeddingExperiment):
    """A timm backbone that embeds images, trained by `comp.training.metric_trainer`. The nearest training images vote on the labels.

    `metric` is a plug-in of `comp/training/metric_losses/`: the loss that pulls together the images of one `identity`. An identity is one
    of the fold map's "groups" (antibodies) or one set of "labels"; "auto" becomes groups where the competition has a table of them, else
    labels. `classification` is the weight of `loss`, the loss of a second head that predicts the labels; 0 means no second head.
    """

    trainer: Literal["metric"]  # type: ignore[assignment]
    metric: Spec = Field(default_factory=lambda: {"name": "arcface"})
    identity: Literal["auto", "groups", "labels"] = "auto"
    classification: float = Field(0.0, ge=0)
    sampler: Spec = Field(default_factory=lambda: {"name": "identities"})
    plug_ins: ClassVar[dict[str, str]] = {**TorchExperiment.plug_ins, "metric_losses": "metric"}
