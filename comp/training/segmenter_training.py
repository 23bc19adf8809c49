"""Training the network that segments nuclei and cells, from labelled fields."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from comp.base.progress import LogBar
from comp.cells.samples import Field, draw_sample
from comp.images.torch_batches import ahead
from comp.models.segmenter_network import SegmenterNetwork
from comp.training.checkpoint_file import read_checkpoint, write_checkpoint
from comp.training.trainer import Run

PAINTED = 0.35  # share of the crops
DECAY, WARMUP, CLIP, WEIGHT_DECAY = 0.998, 0.05, 1.0, 0.01


@dataclass(frozen=True)
class Settings:
    """What determines the network.

    Attributes:
        backbone: timm's name of the encoder.
        decoder: widths of the decoder, from coarse to fine.
        bf16: compute in bf16, else in fp32.
    """

    backbone: str = "resnet10t"
    decoder: tuple[int, ...] = (128, 64, 32, 16)
    steps: int = 6000
    batch: int = 16
    lr: float = 2e-3
    seed: int = 0
    threads: int = 1
    bf16: bool = False


def train_segmenter(
    settings: Settings,
    labelled: Sequence[Field],
    painted: Sequence[Field],
    run: Run,
    minutes: float = 5,
    start: SegmenterNetwork | None = None,
) -> SegmenterNetwork:
    """Train the network on crops of fields.

    Args:
        labelled, painted: fields with true masks; a share of `PAINTED` of the crops comes from the second.
        run: its checkpoint is written every `minutes`, and read if it belongs to this run.
        start: a trained network to go on with; None: random weights.

    Returns:
        The network with averaged weights, in evaluation mode.
    """
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    device = torch.device(run.device)
    network = SegmenterNetwork(settings.backbone, settings.decoder)
    if start is not None:
        network.load_state_dict(start.state_dict())
    network.to(device).to(memory_format=torch.channels_last)
    average = ModelEmaV3(network, decay=DECAY, use_warmup=True)
    optimizer = torch.optim.AdamW(network.parameters(), settings.lr, weight_decay=WEIGHT_DECAY)

    def make(step: int) -> tuple[np.ndarray[Any, Any], ...]:
        generator = np.random.default_rng([settings.seed, step])
        from_painted = generator.random(settings.batch) < PAINTED
        samples = [draw_sample(painted if of_painted else labelled, generator) for of_painted in from_painted]
        return tuple(np.stack(arrays) for arrays in zip(*((each.planes, each.targets, each.weights) for each in samples), strict=True))

    first = _resume(run, network, average, optimizer)
    network.train()
    bar = LogBar(desc="training the segmenter", total=settings.steps, initial=first, unit="step")
    saved, total = 0.0, 0.0
    for step, (planes, wanted, weights) in enumerate(ahead(make, range(first, settings.steps), device, 1), start=first):
        for group in optimizer.param_groups:
            group["lr"] = settings.lr * rate(step / settings.steps)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=settings.bf16):
            maps = network(planes.permute(0, 3, 1, 2))
        loss = segmentation_loss(maps.float().permute(0, 2, 3, 1), wanted, weights)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimizer.step()
        average.update(network, step)
        bar.update()
        total += loss.item()
        if (step + 1) % 100 == 0:
            bar.set_postfix_str(f"loss {total / 100:.4f}")
            total = 0.0
        if bar.format_dict["elapsed"] - saved > 60 * minutes:
            saved = bar.format_dict["elapsed"]
            _save(run, network, average, optimizer, step + 1, saved)
    bar.close()
    return average.module.eval()


def segmentation_loss(maps: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
    """The weighted mean excess of the cross-entropy of the maps over that of their targets. Depths inside objects count double.

    Args:
        maps: (B, H, W, 4) logits.
        wanted, weights: (B, H, W, 4), see `comp.cells.samples.Sample`.
    """
    cost = binary_cross_entropy_with_logits(maps, wanted, reduction="none")
    entropy = binary_cross_entropy_with_logits(torch.logit(wanted, 1e-6), wanted, reduction="none")
    weight = weights.clone()
    weight[..., 1::2] *= 1 + wanted[..., ::2]
    return ((cost - entropy) * weight).sum() / weight.sum()


def rate(done: float) -> float:
    """The share of the learning rate at a share of the training: linear warm-up, then half a cosine."""
    return min(1.0, done / WARMUP + 0.01) * 0.5 * (1 + float(np.cos(np.pi * done)))


def _save(run: Run, network: nn.Module, average: ModelEmaV3, optimizer: torch.optim.Optimizer, step: int, seconds: float) -> None:
    state = {"network": network.state_dict(), "average": average.module.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
    write_checkpoint(run, seconds, 0, lambda file: torch.save(state, file))


def _resume(run: Run, network: nn.Module, average: ModelEmaV3, optimizer: torch.optim.Optimizer) -> int:
    """Load the run's checkpoint if there is one; the step to go on with."""
    content = read_checkpoint(run)
    if content is None:
        return 0
    state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    network.load_state_dict(state["network"])
    average.module.load_state_dict(state["average"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
