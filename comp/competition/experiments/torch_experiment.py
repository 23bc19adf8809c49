"""The settings of a timm backbone that is trained with PyTorch as a classifier."""

from typing import ClassVar, Literal

from pydantic import Field

from comp.competition.experiments.experiment import NetworkExperiment, Spec, Training


class TorchTraining(Training):
    """`precision: auto` is bf16 where the hardware gains from it, else fp32.

    `ema` is the decay per step of the averaged network weights, which predict. The average is warmed up; 0 means no averaging.
    """

    weight_decay: float = Field(0.01, ge=0)
    warmup_epochs: float = Field(1.0, ge=0)
    clip_norm: float = Field(1.0, gt=0)
    ema: float = Field(0.995, ge=0, lt=1)
    precision: Literal["auto", "bf16", "fp32"] = "auto"


class TorchExperiment(NetworkExperiment):
    """A timm backbone, trained by `comp.training.torch_trainer`.

    `initial_weights` says where ImageNet weights come from: "scratch" (none), "timm" (its own cache or hub), a file's path
    (.pth or .safetensors), or "package:<module>" for weights that a Python package carries.
    """

    trainer: Literal["torch"] = "torch"
    initial_weights: str = "timm"
    dropout: float = Field(0.0, ge=0, lt=1)
    loss: Spec = Field(default_factory=lambda: {"name": "bce"})
    train: TorchTraining = TorchTraining()
    plug_ins: ClassVar[dict[str, str]] = {**NetworkExperiment.plug_ins, "losses": "loss"}
