"""Any timm backbone for images of stains: it is checked and built, with a stem for 1, 3 or 4 input channels and with initial weights."""

from bisect import bisect_left
from functools import cache
from typing import Any

import timm
import torch
from torch import Tensor, nn

from comp.base.errors import ConfigError
from comp.competition.experiments.torch_experiment import TorchExperiment
from comp.competition.ids import shorten
from comp.models.initial_weights import pretrained_options
from comp.models.networks import Classifier
from comp.models.weight_names import checked_loading
from comp.models.weight_sources import weights_source

STEP = 32  # pixels: the size of the patches and strides of most networks divides it


def check_backbone(experiment: TorchExperiment) -> None:
    """Raise ConfigError if timm has no such backbone, with names near it, or no such weights of it, with the tags that it has."""
    backbone, source = experiment.backbone, f"configs/models/{experiment.model}.yaml"
    architecture, dot, tag = backbone.partition(".")
    if not timm.is_model(architecture):
        near = timm.list_models(f"*{architecture[:6].lower()}*")[:5]
        what = f"{source}: timm has no backbone {shorten(backbone)!r}"
        then = f"near it: {', '.join(near)}" if near else "list them with: python -c 'import timm; print(timm.list_models())'"
        raise ConfigError(what, then)
    if dot and not _has_tag(backbone):
        tags = [name.partition(".")[2] for name in timm.list_pretrained(architecture)]
        then = f"its tags are: {', '.join(tags)}" if tags else f"write {architecture}, which has no weights with a tag"
        raise ConfigError(f"{source}: timm has no weights {shorten(tag)!r} of the backbone {architecture}", then)


def _has_tag(backbone: str) -> bool:
    try:
        return timm.get_pretrained_cfg(backbone) is not None and not backbone.endswith(".")
    except RuntimeError:
        return False


def check_size(experiment: TorchExperiment, channels: int) -> None:
    """Raise ConfigError, with a size that fits, if the backbone cannot take images of the experiment's size and of `channels` channels."""
    backbone, size = experiment.backbone, experiment.size

    def fits(tried: int) -> bool:
        return _why_not(backbone, tried, channels) is None

    if fits(size):
        return
    reason, first = _why_not(backbone, size, channels), size - size % STEP + STEP
    larger = next(filter(fits, range(first, first + 8 * STEP, STEP)), None)
    if larger and not _size_options(backbone, size):
        untried = range(max(size, larger - STEP) + 1, larger)
        reason = f"it needs at least {untried.start + bisect_left(untried, True, key=fits)} px"
    what = f"{backbone} cannot take images of {size} px with {channels} input channels ({reason})"
    raise ConfigError(what, f'try SET="size={larger}"' if larger else "choose another backbone, or other channels")


@cache
def _why_not(backbone: str, size: int, channels: int) -> str | None:
    """Why a network cannot take images of that size, or None if it can. It is tried on the meta device, which computes no numbers."""
    try:
        with torch.device("meta"), torch.inference_mode():
            network = timm.create_model(backbone, in_chans=channels, num_classes=1, **_size_options(backbone, size)).eval()
            network(torch.empty(1, channels, size, size))
    except NotImplementedError:
        return None  # the meta device cannot run this network, so it counts as fitting
    except (RuntimeError, ValueError, AssertionError) as error:
        return " ".join(str(error).split())[:120]
    return None


def _size_options(backbone: str, size: int) -> dict[str, Any]:
    """The arguments of `timm.create_model` for the size of the images: transformers are built for one size."""
    known = timm.get_pretrained_cfg(backbone)
    return {"img_size": size} if known and known.fixed_input_size else {}


def check_initial_weights(experiment: TorchExperiment, channels: int) -> None:
    """Raise ConfigError if the initial weights cannot be had or do not fit; they are downloaded if need be, and the backbone is built."""
    source = weights_source(experiment.initial_weights, experiment.backbone)
    if source != "scratch":
        create_backbone(experiment, source, channels, outputs=1)


def build_classifier(experiment: TorchExperiment, source: str, mean: Tensor, deviation: Tensor, prior: Tensor) -> Classifier:
    """The experiment's network, with initial weights from `source` (see `comp.models.weight_sources.weights_source`).

    timm adapts an RGB stem to C channels: it repeats the three filters and scales them by 3 / C. The biases of the last layer
    start at the logits of `prior`, (classes,) shares of images. Otherwise the network would spend its first steps on learning
    that labels are rare (Lin et al. 2017, section 4.1).

    Raises:
        ConfigError: timm has no such backbone, or its initial weights are not available or do not fit.
    """
    backbone = create_backbone(experiment, source, len(mean), len(prior))
    start_at(backbone.get_classifier(), prior)  # type: ignore[operator]
    return Classifier(backbone, mean, deviation)


def create_backbone(experiment: TorchExperiment, source: str, channels: int, outputs: int) -> nn.Module:
    """The experiment's timm network, (B, channels, H, W) to (B, outputs); with 0 outputs it ends with its pooled features.

    Raises:
        ConfigError: timm has no such backbone, or its initial weights are not available or do not fit.
    """
    check_backbone(experiment)
    options = pretrained_options(experiment.initial_weights, experiment.backbone, source)
    options |= backbone_options(experiment, channels, outputs)
    try:
        with checked_loading(experiment.backbone, experiment.initial_weights):
            backbone = timm.create_model(experiment.backbone, **options)
    except (RuntimeError, KeyError, TypeError, AssertionError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:160]
        network = f"{experiment.backbone} with initial weights {experiment.initial_weights!r}"
        what = f"configs/models/{experiment.model}.yaml: {network} cannot be built ({reason})"
        fitting = "3" if channels == 3 else f"3 or {channels}"
        raise ConfigError(what, f"give weights of this backbone, with {fitting} input channels") from None
    backbone.pretrained_cfg.pop("state_dict", None)  # type: ignore[union-attr, operator]  # timm would keep the tensors in memory
    return backbone


def backbone_options(experiment: TorchExperiment, channels: int, outputs: int) -> dict[str, Any]:
    """The arguments of `timm.create_model` for the experiment's backbone, its weights apart."""
    sizes = {"in_chans": channels, "num_classes": outputs, "drop_rate": experiment.dropout}
    return sizes | _size_options(experiment.backbone, experiment.size)


def start_at(layer: nn.Module, prior: Tensor) -> None:
    """Set the biases of a last layer, if it has any, to the logits of `prior`."""
    bias = getattr(layer, "bias", None)
    if bias is not None and bias.shape == prior.shape:
        with torch.no_grad():
            bias.copy_(torch.logit(prior))


def feature_count(backbone: nn.Module) -> int:
    """How many pooled features a timm network ends with; some networks have a layer between their maps and the classifier."""
    known: dict[str, Any] = {key: getattr(backbone, key, None) for key in ("head_hidden_size", "num_features")}
    return int(known["head_hidden_size"] or known["num_features"])
