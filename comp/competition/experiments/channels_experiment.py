"""The settings of a U-Net that draws missing channels from the given ones."""

from typing import Any, Literal

from pydantic import Field, field_validator

from comp.competition.experiments.embedding_experiment import EmbeddingExperiment
from comp.competition.experiments.experiment import Spec


class ChannelsExperiment(EmbeddingExperiment):
    """A U-Net that draws missing channels, trained by `comp.training.channels_trainer`. What it learns on the way embeds images.

    The encoder is a timm backbone. `decoder` gives the widths of the decoder, from the coarsest level to the finest, and with their number
    the depth of both: each level halves height and width. `crop` is the side, in pixels, of the random square of each image that a step is
    made on; null takes whole images. The network sees and draws all channels of the competition. `initial_weights` may
    also be the weights file of such a model, which is then trained further. `dropout` and `loss` are those of classifiers, and do nothing
    here.
    """

    trainer: Literal["channels"]  # type: ignore[assignment]
    decoder: tuple[int, ...] = Field((128, 64, 48, 32, 24), min_length=2, max_length=5)
    crop: int | None = Field(None, ge=16, le=4096)
    embedding: int = Field(64, ge=2, le=65_536)

    @field_validator("decoder", mode="before")
    @classmethod
    def _widths(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple) or not all(type(each) is int and 1 <= each <= 4096 for each in value):
            raise ValueError("write the width of each level, [128, 64, 48, 32, 24]")
        return tuple(value)

    @field_validator("channels")
    @classmethod
    def _all_channels(cls, value: Spec) -> Spec:
        if value != {"name": "pick"}:
            raise ValueError("a model that draws channels sees all channels of the competition; leave `channels` out")
        return value
