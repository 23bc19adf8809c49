"""The settings of a network that is trained with Keras."""

from typing import ClassVar, Literal

from pydantic import Field

from comp.competition.experiments.experiment import NetworkExperiment, Training


class KerasTraining(Training):
    """Adam at one rate, as in the article. `precision: bf16` computes in bfloat16 and keeps the network weights in float32."""

    batch_size: int = Field(4, ge=1, le=65_536)
    precision: Literal["bf16", "fp32"] = "fp32"


class KerasExperiment(NetworkExperiment):
    """A network of `comp.models.keras_networks`, trained by `comp.training.keras_trainer`.

    `initial_weights` says where ImageNet weights come from: "scratch" (none), "keras" (its own cache or download), or a file's path
    (.h5 without the top layers).
    """

    trainer: Literal["keras"]
    initial_weights: str = "keras"
    dropout: float = Field(0.5, ge=0, lt=1)
    train: KerasTraining = KerasTraining()
    hub: ClassVar[str] = "keras"
    own_process: ClassVar[bool] = True  # TensorFlow keeps the memory of finished networks, and PyTorch cannot be loaded after it
