"""What of a model's settings matters in prediction."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

EMBEDDERS = ("metric", "channels")  # trainers whose networks embed images


@dataclass(frozen=True)
class Votes:
    """How neighbours vote, see `comp.neighbours.votes.vote`."""

    count: int
    temperature: float
    prior: float


@dataclass(frozen=True)
class PredictionSettings:
    """How trained networks predict.

    Attributes:
        batch_size: images at once.
        precision: "auto", "bf16", "fp16" or "fp32".
        threads: of the CPU; another number may change the last digits.
        tta: how many flips and quarter turns are averaged.
        votes: of a model whose neighbours vote.
    """

    batch_size: int = 64
    precision: str = "fp32"
    threads: int = 1
    tta: int = 1
    votes: Votes | None = None

    @classmethod
    def of(cls, experiment: Mapping[str, Any], batch_size: int | None = None) -> "PredictionSettings":
        """Those of an experiment as its YAML holds it.

        Args:
            batch_size: instead of twice the batch size of training.
        """
        votes = Votes(**experiment["votes"]) if experiment.get("votes") else None
        train = experiment.get("train")
        if train is None:
            return cls(votes=votes)
        return cls(batch_size or 2 * train["batch_size"], train["precision"], train["threads"], experiment["tta"], votes)
