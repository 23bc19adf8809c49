"""The settings that all networks which embed images share, and those of the votes of nearest neighbours."""

from typing import ClassVar

from pydantic import Field

from comp.base.files import hash_of
from comp.base.schema import Strict
from comp.competition.experiments.torch_experiment import TorchExperiment


class VoteSettings(Strict):
    """How neighbours vote, see `comp.neighbours.votes.vote`.

    The `count` nearest neighbours vote, each with weight exp((similarity - 1) / `temperature`). The share of training images with each
    label votes with them; its weight is that of `prior` neighbours of similarity 1.
    """

    count: int = Field(10, ge=1, le=1000)
    temperature: float = Field(0.1, gt=0)
    prior: float = Field(0.01, gt=0)


class EmbeddingExperiment(TorchExperiment):
    """A network that embeds images. The nearest training images vote on the labels.

    `embedding` is the length of the vectors.
    """

    embedding: int = Field(512, ge=2, le=65_536)
    votes: VoteSettings = VoteSettings()
    of_prediction: ClassVar[frozenset[str]] = frozenset({"tta", "votes"})

    @property
    def embedder_hash(self) -> str:
        """A hash of the settings that the embeddings depend on."""
        return hash_of(self.model_dump(mode="json", exclude={"votes"}))
