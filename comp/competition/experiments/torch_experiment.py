"""The settings of a timm backbone that is trained with PyTorch as a classifier."""

from typing import Any, ClassVar, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from comp.competition.experiments.experiment import NetworkExperiment, Spec, Training

LATER = {
    "optimizer": {"name": "adamw"}, "schedule": {"name": "cosine"}, "accumulate": 1, "grad_checkpointing": False, "compile": False,
    "devices": 1,
}  # fmt: skip


class TorchTraining(Training):
    """`precision: auto` is bf16 where the hardware gains from it, fp16 on other CUDA GPUs, else fp32.

    `ema` is the decay per step of the averaged network weights, which predict. The average is warmed up; 0 means no averaging.

    `optimizer` and `schedule` are those of timm, by name; other keys are their options: {name: sgd, momentum: 0.9}. The schedule `cosine`
    is a linear warm-up and half a cosine down to 0.

    `accumulate` cuts each batch into parts, whose gradients are summed before the update: less memory, the same number of updates. Batch
    normalisation sees a part at a time. `grad_checkpointing` computes activations twice instead of keeping them. `compile` compiles the
    network, which pays on a GPU. `devices` is how many GPUs (or processes of a CPU) train one network together; each gets an equal part
    of each batch.
    """

    weight_decay: float = Field(0.01, ge=0)
    warmup_epochs: float = Field(1.0, ge=0)
    clip_norm: float = Field(1.0, gt=0)
    ema: float = Field(0.995, ge=0, lt=1)
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    optimizer: Spec = Field(default_factory=lambda: {"name": "adamw"})
    schedule: Spec = Field(default_factory=lambda: {"name": "cosine"})
    accumulate: int = Field(1, ge=1, le=65_536)
    grad_checkpointing: bool = False
    compile: bool = False
    devices: int = Field(1, ge=1, le=64)

    @model_validator(mode="after")
    def _equal_parts(self) -> "TorchTraining":
        parts = self.accumulate * self.devices
        if self.batch_size % parts:
            raise ValueError(f"a batch of {self.batch_size} cannot be cut into {parts} equal parts (accumulate x devices)")
        return self

    @model_serializer(mode="wrap")
    def _without_later_keys(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Keys that came later are left out at their default, so that folds from before them stay as they are asked for."""
        dumped: dict[str, Any] = dump(self)
        return {key: value for key, value in dumped.items() if key not in LATER or value != LATER[key]}


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

    @property
    def devices(self) -> int:
        return self.train.devices
