"""The settings of a network that learns embeddings with a metric loss, and of the votes of nearest neighbours."""

from typing import ClassVar, Literal

from pydantic import Field

from comp.base.files import hash_of
from comp.base.schema import Strict
from comp.competition.experiments.experiment import Spec
from comp.competition.experiments.torch_experiment import TorchExperiment


class VoteSettings(Strict):
    """How neighbours vote, see `comp.neighbours.votes.vote`.

    The `count` nearest neighbours vote, each with weight exp((similarity - 1) / `temperature`). The share of training images with each
    label votes with them; its weight is that of `prior` neighbours of similarity 1.
    """

    count: int = Field(10, ge=1, le=1000)
    temperature: float = Field(0.1, gt=0)
    prior: float = Field(0.01, gt=0)


class MetricExperiment(TorchExperiment):
    """A timm backbone that embeds images, trained by `comp.training.metric_trainer`. The nearest training images vote on the labels.

    `embedding` is the length of the vectors. `metric` is a plug-in of `comp/training/metric_losses/`: the loss that pulls together the
    images of one `identity`. An identity is one of the fold map's "groups" (antibodies) or one set of "labels"; "auto" becomes groups
    where the competition has a table of them, else labels. `classification` is the weight of `loss`, the loss of a second head that
    predicts the labels; 0 means no second head.
    """

    trainer: Literal["metric"]  # type: ignore[assignment]
    embedding: int = Field(512, ge=2, le=65_536)
    metric: Spec = Field(default_factory=lambda: {"name": "arcface"})
    identity: Literal["auto", "groups", "labels"] = "auto"
    classification: float = Field(0.0, ge=0)
    votes: VoteSettings = VoteSettings()
    sampler: Spec = Field(default_factory=lambda: {"name": "identities"})
    plug_ins: ClassVar[dict[str, str]] = {**TorchExperiment.plug_ins, "metric_losses": "metric"}
    of_prediction: ClassVar[frozenset[str]] = frozenset({"tta", "votes"})

    @property
    def embedder_hash(self) -> str:
        """A hash of the settings that the embeddings depend on."""
        return hash_of(self.model_dump(mode="json", exclude={"votes"}))
