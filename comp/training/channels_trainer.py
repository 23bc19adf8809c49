"""Training a U-Net that draws missing channels, on images some of whose channels are hidden at random; and prediction by neighbours' votes.

No label is used. The training rows alone are looked at: statistics, regression and embedding are fitted on them.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from comp.base.errors import CompError, ConfigError
from comp.competition.experiments.channels_experiment import ChannelsExperiment
from comp.images.input_channels import Images, InputChannels
from comp.images.pixel_moments import PixelMoments, pixel_moments
from comp.inference.tensor_file import read_about
from comp.inference.torch_network import Predictor, weights_of
from comp.inference.weights import Weights, read_weights
from comp.models.backbone import check_backbone
from comp.models.channel_unet import WHITE, ChannelUNet, build_unet, width_of
from comp.models.initial_weights import pretrained_options
from comp.models.weight_names import checked_loading
from comp.models.weight_sources import weights_source
from comp.training import torch_trainer
from comp.training.channel_loss import channel_loss
from comp.training.diverged import what_to_lower
from comp.training.monitor import Scores
from comp.training.torch_loop import begin, fit
from comp.training.torch_optimizer import check_optimizer
from comp.training.torch_trainer import CHECKPOINT as CHECKPOINT
from comp.training.torch_trainer import check_devices
from comp.training.torch_trainer import device_name as device_name
from comp.training.torch_trainer import devices as devices
from comp.training.torch_trainer import pick_device as pick_device
from comp.training.torch_trainer import precision as precision
from comp.training.trainer import FoldData, Run, Trained, one_view

VERSIONS = (*torch_trainer.VERSIONS, "segmentation_models_pytorch")
FITTED = 4096  # training images that the embedding is fitted on, at most
OF_IMAGES = ("mean", "deviation", "correlation")  # tensors of a network that belong to its images, whatever its initial weights


def check(experiment: ChannelsExperiment, channels: int, weights: bool) -> None:
    """Raise ConfigError if the network cannot be built for such images, or its initial weights cannot be had or do not fit."""
    check_optimizer(experiment)
    check_devices(experiment)
    check_backbone(experiment)
    if channels < 2:
        raise ConfigError(f"{experiment.model} draws channels from others, and this competition has {channels}", "choose another model")
    with torch.device("meta"):
        untrained = build_model(experiment, "scratch", unit_moments(channels))
    try:
        with torch.device("meta"), torch.inference_mode():
            untrained.eval().unet(torch.empty(1, 2 * channels, experiment.size, experiment.size))
    except NotImplementedError:
        pass  # the meta device cannot run this network, so it counts as fitting
    except (RuntimeError, ValueError, AssertionError) as error:
        reason = " ".join(str(error).split())[:120]
        what = f"{experiment.backbone} as the encoder of a U-Net cannot take images of {experiment.size} px ({reason})"
        raise ConfigError(what, "take a larger size, or fewer levels: a shorter list as `decoder`") from None
    if weights and weights_source(experiment.initial_weights, experiment.backbone) != "scratch":
        build_model(experiment, experiment.initial_weights, unit_moments(channels))


def train(experiment: ChannelsExperiment, data: FoldData, run: Run) -> Trained:
    """Train one fold, from its checkpoint if it belongs to this run. The averaged network weights draw and embed."""
    device = begin(experiment, run)
    model = build_model(experiment, run.initial_weights, pixel_moments(data.images, data.channels, data.train))

    def reader(network: ChannelUNet) -> Predictor:
        return Predictor(network.features, one_view(experiment), data.channels, device)

    def validate(network: nn.Module, rows: NDArray[np.int64]) -> Scores:
        assert isinstance(network, ChannelUNet)
        return {"psnr": mean_psnr(network, reader(network), data.images, rows)}

    averaged, state = fit(model, lambda drawn, labels, identity: channel_loss(drawn), experiment, data, run, validate)
    assert isinstance(averaged, ChannelUNet)
    averaged.eval()
    some = data.train[:: -(-len(data.train) // FITTED)]
    features = reader(averaged)(data.images, some)
    if not np.isfinite(features).all():
        what = f"{experiment.model}: training diverged, the features of images are not finite"
        raise CompError(what, what_to_lower(experiment, device.type))
    averaged.fit_embedding(torch.from_numpy(features).to(device))
    return state.trained(described(experiment, averaged))


def described(experiment: ChannelsExperiment, network: ChannelUNet) -> Weights:
    """A network with how it is built. It sees all channels of the competition."""
    count = len(network.mean)
    options = {"channels": count, "decoder": list(experiment.decoder)}
    return weights_of("channels", network, experiment.backbone, options, InputChannels(tuple(range(count))))


def build_model(experiment: ChannelsExperiment, source: str, moments: PixelMoments) -> ChannelUNet:
    """The experiment's network.

    Args:
        source: "scratch" for random weights, else as the experiment's `initial_weights` say: weights of the encoder, or the weights file
            of a network that draws channels.
        moments: of the images.

    Raises:
        ConfigError: timm's network has no feature maps for a U-Net, or the initial weights are not available or do not fit.
    """
    drawing = source != "scratch" and (read_about(Path(experiment.initial_weights)) or {}).get("trainer") == "channels"
    initial = "scratch" if drawing else source
    try:
        with checked_loading(experiment.backbone, experiment.initial_weights):
            options = pretrained_options(experiment.initial_weights, experiment.backbone, initial)
            unet = build_unet(experiment.backbone, len(moments.mean), experiment.decoder, options)
    except (RuntimeError, KeyError, TypeError, AssertionError, ValueError, IndexError, AttributeError) as error:
        reason = " ".join(str(error).split())[:120]
        what = f"configs/models/{experiment.model}.yaml: {experiment.backbone} cannot be the encoder of a U-Net ({reason})"
        raise ConfigError(what, "choose a convolutional backbone, such as resnet18, and weights of it") from None
    if (width := width_of(unet)) < experiment.embedding:
        what = f"{experiment.model}: the encoder ends with {width} features, fewer than the embedding's {experiment.embedding}"
        raise ConfigError(what, f'SET="embedding={width}"')
    mean, deviation, correlation = (torch.Tensor(each) for each in (moments.mean, moments.deviation, moments.correlation))
    model = ChannelUNet(unet, experiment.embedding, mean, deviation, correlation, experiment.crop)
    if drawing:
        _go_on_from(model, experiment)
    return model


def _go_on_from(model: ChannelUNet, experiment: ChannelsExperiment) -> None:
    """Give a network the weights of a trained one; what belongs to its images stays."""
    file = Path(experiment.initial_weights)
    tensors = read_weights(file, "give another file, or train it again").weights.tensors
    own = model.state_dict()
    taken = {name: torch.from_numpy(values) for name, values in tensors.items() if name not in OF_IMAGES}
    unlike = sorted(name for name in own.keys() - set(OF_IMAGES) if name not in taken or taken[name].shape != own[name].shape)
    if unlike or taken.keys() - own.keys():
        what = f"initial_weights: {file} holds a network that differs from {experiment.model} ({len(unlike)} of {len(own)} tensors)"
        raise ConfigError(what, "give the same `backbone`, `decoder` and `embedding`, and as many channels")
    model.load_state_dict({**{name: own[name] for name in OF_IMAGES}, **taken})


def mean_psnr(network: ChannelUNet, predictor: Predictor, images: Images, rows: NDArray[np.int64]) -> float:
    """The mean peak signal-to-noise ratio, in dB, of one hidden channel of each of the images, in turn."""
    count = len(predictor.channels)

    def error(images: Tensor, given: Tensor) -> Tensor:
        return ((network.draw(images, given) - images.float()).square().mean(dim=(1, 2)) * (1 - given)).sum(dim=1)

    given = 1 - np.eye(count, dtype=np.float32)[np.arange(len(rows)) % count]
    errors = replace(predictor, network=error)(images, rows, given)
    return float(np.mean(10 * np.log10(WHITE**2 / np.maximum(errors, 1e-3))))


def unit_moments(channels: int) -> PixelMoments:
    """Moments for a network that is only to be looked at."""
    return PixelMoments(np.zeros(channels), np.eye(channels))
