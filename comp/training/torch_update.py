"""One update of a network's weights from one batch: mixed precision, parts of a batch, several devices, and memory that is too small."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from comp.base.errors import CompError, ConfigError
from comp.competition.experiments.torch_experiment import TorchExperiment
from comp.images.torch_batches import Batch
from comp.inference.torch_device import device_name, free_memory, is_out_of_memory
from comp.models.precision import autocast, resolve_precision

Criterion = Callable[[Any, Tensor, Tensor], Tensor]  # of the model's output, labels (B, classes) and identity (B,)
LONGEST = 200  # letters of a reason that are shown


class Update:
    """Makes one update after the other.

    In fp16 the loss is scaled up, so that small gradients do not vanish. An update whose gradients overflow is left out
    (Micikevicius et al. 2018, Mixed Precision Training).

    Attributes:
        skipped: how many updates were left out, a tensor on the device so that no step waits for it.
    """

    def __init__(
        self, model: nn.Module, criterion: Criterion, optimizer: Optimizer, experiment: TorchExperiment, device: torch.device
    ) -> None:
        self.model, self.criterion, self.optimizer, self.experiment, self.device = model, criterion, optimizer, experiment, device
        self.scaler = torch.amp.GradScaler(device.type, enabled=resolve_precision(experiment.train.precision, device) == "fp16")
        self.scaler.scale(torch.zeros((), device=device))  # makes its scale, which is counted by
        self.skipped = torch.zeros((), device=device)
        self.network: nn.Module = model
        if distributed.is_initialized():
            self.network = DistributedDataParallel(model, device_ids=[device] if device.type == "cuda" else None)

    def __call__(self, batch: Batch) -> Tensor:
        """The loss of a batch: images, labels, identity and auxiliary features if there are any. It is the mean over all devices.

        Raises:
            CompError: the device has too little memory; the message names what would fit. Or the network could not be compiled.
        """
        try:
            return self._update(batch)
        except RuntimeError as error:
            if self.experiment.train.compile and type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                raise _not_compiled(self.experiment, error) from None
            if not is_out_of_memory(error):
                raise
        raise self._out_of_memory(batch)  # here the error is gone, and with it what it kept in memory

    def _update(self, batch: Batch) -> Tensor:
        settings, scales = self.experiment.train, self.scaler.is_enabled()
        before = self._scale() if scales else None
        loss = self._gradients(self.network, batch, settings.accumulate)
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if before is not None:
            self.skipped += self._scale() < before  # it is lowered after an overflow
        if distributed.is_initialized():
            distributed.all_reduce(loss)
            loss /= distributed.get_world_size()
        return loss

    def _gradients(self, network: nn.Module, batch: Batch, count: int) -> Tensor:
        """Add up the gradients of `count` parts of the batch; returns the mean loss."""
        total = torch.zeros((), device=self.device)
        for number, (images, labels, identity, *aux_features) in enumerate(parts(batch, count), start=1):
            last = number == min(count, len(batch[0]))
            alone = network.no_sync() if isinstance(network, DistributedDataParallel) and not last else nullcontext()
            with alone:
                with autocast(self.experiment.train.precision, self.device):
                    output = network(images, *aux_features)
                loss = self.criterion(output, labels, identity) * (len(images) / len(batch[0]))
                if number == 1:
                    self.optimizer.zero_grad()  # not earlier: the memory of the old gradients serves the new ones
                self.scaler.scale(loss).backward()
            total += loss.detach()
        return total

    def _scale(self) -> Tensor:
        scale: Tensor = self.scaler._get_scale_async()  # type: ignore[assignment]  # the public one waits for the GPU
        return scale.clone()

    def _out_of_memory(self, batch: Batch) -> CompError:
        """The error, with the setting that fits, which is tried."""
        settings, size = self.experiment.train, self.experiment.size
        what = f"{self.experiment.model}: a batch of {settings.batch_size} images of {size} px needs more memory than {self._place()} has"
        images = len(batch[0])
        for count in range(settings.accumulate + 1, images // self._fewest() + 1):
            if images % count == 0 and self._fits(batch, count):
                return CompError(what, f'the same batch in {count} parts fits: SET="train.accumulate={count}"')
        if not settings.grad_checkpointing:
            return CompError(
                what, 'smaller parts do not fit either; SET="train.grad_checkpointing=true" needs less, or take a smaller size'
            )
        return CompError(what, f'take smaller images: SET="size={size // 2}"')

    def _place(self) -> str:
        name = device_name(str(self.device))
        if self.device.type != "cuda":
            return name
        return f"{name} ({torch.cuda.get_device_properties(self.device).total_memory / 2**30:.0f} GiB)"

    def _fewest(self) -> int:
        """The fewest images of a part: vectors are normalised over it by networks that embed."""
        return 1 if self.experiment.trainer == "torch" else 2

    def _fits(self, batch: Batch, count: int) -> bool:
        """Whether the gradients fit beside two copies of the weights: what AdamW keeps from its first update on."""
        try:
            self.optimizer.zero_grad()
            free_memory(self.device)
            kept = [torch.empty_like(parameter) for parameter in self.model.parameters() for _ in range(2)]
            self._gradients(self.model, batch, count)
            del kept
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return False
        return True


def parts(batch: Batch, count: int) -> Iterator[Batch]:
    """`count` parts of a batch, of equal sizes or as nearly as possible; fewer if it has fewer images."""
    yield from zip(*(tensor.tensor_split(min(count, len(tensor))) for tensor in batch), strict=True)


def checkpoint_gradients(model: nn.Module, experiment: TorchExperiment) -> None:
    """Let the backbone compute activations again instead of keeping them.

    Raises:
        ConfigError: it cannot.
    """
    backbone = next(module for module in model.modules() if hasattr(module, "set_grad_checkpointing"))
    try:
        backbone.set_grad_checkpointing(True)  # type: ignore[operator]
    except (AssertionError, NotImplementedError):
        raise ConfigError(
            f"{experiment.backbone} has no gradient checkpointing", 'leave it: SET="train.grad_checkpointing=false"'
        ) from None


def _not_compiled(experiment: TorchExperiment, error: RuntimeError) -> CompError:
    reason = " ".join(str(error).split())[:LONGEST]
    return CompError(f"{experiment.model} could not be compiled ({reason})", 'leave train.compile out: SET="train.compile=false"')
