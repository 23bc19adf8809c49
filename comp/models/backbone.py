"""Any timm backbone as a classifier of stained images: a stem for 1, 3 or 4 channels, normalisation inside."""

from bisect import bisect_left
from functools import cache
from typing import Any

import timm
import torch
from torch import Tensor, nn

from comp.errors import ConfigError
from comp.experiment import TorchExperiment
from comp.models import allcnn as allcnn  # which timm knows by its import
from comp.models.weights import pretrained_options

STEP = 32  # pixels: the size of the patches and strides of most networks divides it


class Classifier(nn.Module):
    """Grey values (B, H, W, C) uint8 in, logits (B, classes) float32 out.

    Images stay as the cache holds them until they are here: one conversion a batch, and their memory order is already
    channels-last.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, backbone: nn.Module, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.backbone = backbone
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)

    def forward(self, images: Tensor) -> Tensor:
        normalised = (images.float() - self.mean) / self.deviation
        return self.backbone(normalised.permute(0, 3, 1, 2))


def refuse_unknown_backbone(experiment: TorchExperiment) -> None:
    """Raise ConfigError, with names near it, if timm has no such backbone."""
    if not timm.is_model(experiment.backbone):
        near = timm.list_models(f"*{experiment.backbone[:6]}*")[:5]
        raise ConfigError(
            f"configs/models/{experiment.model}.yaml: timm has no backbone {experiment.backbone!r}",
            f"near it: {', '.join(near)}" if near else "list them with: python -c 'import timm; print(timm.list_models())'",
        )


def refuse_size(experiment: TorchExperiment, planes: int) -> None:
    """Raise ConfigError, with a size that fits, if the backbone cannot take images of the experiment's size."""
    backbone, size = experiment.backbone, experiment.size

    def fits(tried: int) -> bool:
        return _refusal(backbone, tried, planes) is None

    if fits(size):
        return
    reason, first = _refusal(backbone, size, planes), size - size % STEP + STEP
    larger = next(filter(fits, range(first, first + 8 * STEP, STEP)), None)
    if larger and not _size_options(backbone, size):
        untried = range(max(size, larger - STEP) + 1, larger)
        reason = f"it needs at least {untried.start + bisect_left(untried, True, key=fits)} px"
    what = f"{backbone} cannot take images of {size} px with {planes} planes ({reason})"
    raise ConfigError(what, f'try SET="size={larger}"' if larger else "choose another backbone, or other channels")


@cache
def _refusal(backbone: str, size: int, planes: int) -> str | None:
    """Why a network cannot take images of that size, if so: it is tried without numbers, on the meta device."""
    try:
        with torch.device("meta"), torch.inference_mode():
            network = timm.create_model(backbone, in_chans=planes, num_classes=1, **_size_options(backbone, size)).eval()
            network(torch.empty(1, planes, size, size))
    except NotImplementedError:
        return None  # it needs numbers to be tried
    except (RuntimeError, ValueError, AssertionError) as error:
        return " ".join(str(error).split())[:120]
    return None


def _size_options(backbone: str, size: int) -> dict[str, Any]:
    """What `timm.create_model` must know of the images' size: transformers are built for one."""
    known = timm.get_pretrained_cfg(backbone)
    return {"img_size": size} if known and known.fixed_input_size else {}


def build_classifier(experiment: TorchExperiment, source: str, mean: Tensor, deviation: Tensor, prior: Tensor) -> Classifier:
    """The experiment's network, with first weights from `source` (see `comp.models.weights.weights_source`).

    timm adapts an RGB stem to C channels: it repeats the three filters and scales them by 3 / C. The last layer's biases
    start at the logits of `prior`, (classes,) shares of images, so that the first steps are not spent on learning that
    labels are rare (Lin et al. 2017, section 4.1).

    Raises:
        ConfigError: timm has no such backbone, or the weights cannot be had or do not fit it.
    """
    backbone = create_backbone(experiment, source, len(mean), len(prior))
    start_at(backbone.get_classifier(), prior)  # type: ignore[operator]
    return Classifier(backbone, mean, deviation)


def create_backbone(experiment: TorchExperiment, source: str, planes: int, outputs: int) -> nn.Module:
    """timm's network of the experiment, (B, planes, H, W) to (B, outputs); with 0 outputs it ends with its pooled features.

    Raises:
        ConfigError: timm has no such backbone, or the weights cannot be had or do not fit it.
    """
    refuse_unknown_backbone(experiment)
    options = pretrained_options(experiment.weights, experiment.backbone, source)
    options |= _size_options(experiment.backbone, experiment.size)
    try:
        backbone = timm.create_model(experiment.backbone, in_chans=planes, num_classes=outputs, drop_rate=experiment.dropout, **options)
    except (RuntimeError, KeyError, TypeError, AssertionError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:160]
        what = (
            f"configs/models/{experiment.model}.yaml: {experiment.backbone} with weights {experiment.weights!r} cannot be built ({reason})"
        )
        raise ConfigError(what, "give weights of this backbone, or check the connection") from None
    backbone.pretrained_cfg.pop("state_dict", None)  # type: ignore[union-attr, operator]  # timm keeps the tensors it was given
    return backbone


def start_at(layer: nn.Module, prior: Tensor) -> None:
    """Let the biases of a last layer start at the logits of `prior`, where it has any."""
    bias = getattr(layer, "bias", None)
    if bias is not None and bias.shape == prior.shape:
        with torch.no_grad():
            bias.copy_(torch.logit(prior))


def resolve_precision(asked: str, device: torch.device) -> str:
    """ "auto" is bf16 where the hardware computes in it (CUDA from Ampere on, CPUs with avx512_bf16 or AMX), else fp32."""
    if asked != "auto":
        return asked
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported() else "fp32"
