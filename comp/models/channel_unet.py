"""A U-Net that draws missing channels of an image from the given ones, and embeds images by what it learns on the way.

It starts from the linear regression of each missing channel on the given ones, pixel by pixel, and draws what has to be added. So it needs
not learn what a regression knows, and begins as good as one. Which channels are given differs from image to image: the network gets a plane
of ones or zeros for each channel besides the channels themselves.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn

WHITE = 255.0
RIDGE = 1e-3  # added to the variances, which are 1, of the given channels: equal channels have no regression otherwise
RIDGE_OF_FEATURES = 1e-3  # the share of the largest variance below which directions of features are not scaled up


class Drawn(NamedTuple):
    """Images with some channels drawn.

    Attributes:
        drawn: (B, C, H, W) in units of white.
        truth: the images, in the same units.
        missing: (B, C) 1 where a channel was hidden and is known.
    """

    drawn: Tensor
    truth: Tensor
    missing: Tensor


class ChannelUNet(nn.Module):
    """Grey values (B, H, W, C) uint8 in, grey values of all channels out; see `draw` and `embed`.

    Args:
        unet: from 2 C planes to C.
        embedding: the length of the embeddings, at most the number of features of the encoder's last level.
        crop: the side of the random squares that `forward` takes of the images; None: whole images.
        mean, deviation: (C,) of the channels, in grey values.
        correlation: (C, C) of the channels over pixels.
    """

    mean: Tensor
    deviation: Tensor
    correlation: Tensor
    centre: Tensor
    projection: Tensor

    def __init__(
        self, unet: nn.Module, embedding: int, mean: Tensor, deviation: Tensor, correlation: Tensor, crop: int | None = None
    ) -> None:
        super().__init__()
        self.unet, self.crop = unet, crop
        width = width_of(unet)
        for name, value in {"mean": mean, "deviation": deviation, "correlation": correlation}.items():
            self.register_buffer(name, value)
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("projection", torch.eye(width, embedding))

    def forward(self, images: Tensor) -> Drawn:
        """Hide some channels of each image at random, and draw them; of a random square of it if there is a `crop`."""
        images = images if self.crop is None else random_squares(images, self.crop)
        present = images.amax(dim=(1, 2)) > 0
        given = random_given(present)
        drawn, values = self._draw(images, given.float()), images.permute(0, 3, 1, 2).float()
        return Drawn(self._grey(drawn) / WHITE, values / WHITE, (present & ~given).float())

    def draw(self, images: Tensor, given: Tensor) -> Tensor:
        """Images (B, H, W, C) in grey values, with the channels that are not `given` drawn; what they hold in `images` is not used.

        Args:
            given: (B, C), not 0 for the given channels.
        """
        given = (given > 0).float()
        drawn = self._grey(self._draw(images, given)).clamp(0, WHITE).permute(0, 2, 3, 1)
        return torch.where(given[:, None, None] > 0, images.float(), drawn)

    def maps(self, images: Tensor) -> Tensor:
        """(B, H, W, C) grey values: each channel of images (B, H, W, C) as it is drawn from all others that are not black."""
        present = (images.amax(dim=(1, 2)) > 0).float()
        others = 1 - torch.eye(images.shape[-1], device=images.device)
        return torch.stack([self.draw(images, present * given)[..., channel] for channel, given in enumerate(others)], dim=-1)

    def features(self, images: Tensor) -> Tensor:
        """(B, width) of the encoder's last level, the mean over its pixels, with all channels given that are not black."""
        given = (images.amax(dim=(1, 2)) > 0).float()
        return self.unet.encoder(self._planes(images, given)[0])[-1].float().mean(dim=(2, 3))  # type: ignore[operator]

    def embed(self, images: Tensor) -> Tensor:
        """(B, embedding) the features, turned and scaled so that over training images their correlations vanish; length is not 1."""
        features = self.features(images)
        with torch.autocast(images.device.type, enabled=False):
            return (features - self.centre) @ self.projection

    def fit_embedding(self, features: Tensor) -> None:
        """Fit `embed` to the features (N, width) of training images, by principal components."""
        centred = features.double() - features.double().mean(dim=0)
        variance, directions = torch.linalg.eigh(centred.T @ centred / len(centred))
        first = variance.flip(0)[: self.projection.shape[1]]
        scale = (first + RIDGE_OF_FEATURES * variance[-1].clamp(min=1e-12)).rsqrt()
        self.centre.copy_(features.double().mean(dim=0))
        self.projection.copy_(directions.flip(1)[:, : len(first)] * scale)

    def _draw(self, images: Tensor, given: Tensor) -> Tensor:
        """(B, C, H, W) normalised: the regression, and what the U-Net adds to it."""
        planes, regression = self._planes(images, given)
        return regression + self.unet(planes).float()

    def _planes(self, images: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """What the U-Net sees, (B, 2 C, H, W), and its first half, the given channels with the regression in place of the others."""
        with torch.autocast(images.device.type, enabled=False):
            normalised = ((images.float() - self.mean) / self.deviation).permute(0, 3, 1, 2)
            filled = torch.bmm(regression(self.correlation, given), normalised.flatten(2)).view_as(normalised)
            there = given[:, :, None, None].expand_as(normalised)
            filled = torch.where(there > 0, normalised, filled)
            return torch.cat([filled, there], dim=1).contiguous(memory_format=torch.channels_last), filled

    def _grey(self, normalised: Tensor) -> Tensor:
        return normalised * self.deviation[:, None, None] + self.mean[:, None, None]


def regression(correlation: Tensor, given: Tensor) -> Tensor:
    """(B, C, C) the matrices that predict all channels from the given ones by least squares, of channels with mean 0 and variance 1.

    Args:
        correlation: (C, C).
        given: (B, C) 1 for the given channels, else 0; the columns of the others are 0.
    """
    among = given[:, :, None] * given[:, None, :] * correlation + torch.diag_embed(1 - given + RIDGE)
    return torch.linalg.solve(among, given[:, :, None] * correlation).transpose(1, 2) * given[:, None, :]


def random_given(present: Tensor) -> Tensor:
    """(B, C) bool: from one to all but one of the channels that are `present` (B, C), each number as likely as the others.

    Of an image with fewer than two such channels nothing can be hidden.
    """
    count = present.sum(dim=1, keepdim=True)
    place = (torch.rand(present.shape, device=present.device) + ~present).argsort(dim=1).argsort(dim=1)
    kept = 1 + (torch.rand(count.shape, device=present.device) * (count - 1)).floor().clamp(min=0)
    return (place < kept) & present


def random_squares(images: Tensor, side: int) -> Tensor:
    """(B, side, side, C) a random square of each of the images (B, H, W, C), which are returned whole if they are no larger."""
    height, width = (max(length - side, 0) + 1 for length in images.shape[1:3])
    tops, lefts = (torch.randint(length, (len(images),)).tolist() for length in (height, width))
    return torch.stack([image[top : top + side, left : left + side] for image, top, left in zip(images, tops, lefts, strict=True)])


def build_unet(backbone: str, channels: int, decoder: Sequence[int], weights: Mapping[str, Any]) -> nn.Module:
    """A U-Net from 2 `channels` planes to `channels`, whose last layer gives zeros at first.

    Args:
        backbone: a timm network with feature maps.
        decoder: widths of the decoder, from the coarsest level to the finest.
        weights: arguments of `timm.create_model` for the encoder's weights; {"pretrained": False} for random ones.
    """
    more = {key: value for key, value in weights.items() if key != "pretrained"}
    unet = smp.Unet(
        f"tu-{backbone}", encoder_depth=len(decoder), encoder_weights=True if weights["pretrained"] else None,
        decoder_channels=tuple(decoder), in_channels=2 * channels, classes=channels, **more,
    )  # fmt: skip
    for parameter in unet.segmentation_head.parameters():
        nn.init.zeros_(parameter)
    return unet


def width_of(unet: nn.Module) -> int:
    """How many features the last level of a U-Net's encoder has."""
    return int(unet.encoder.out_channels[-1])  # type: ignore[union-attr, index]


def trained_unet(backbone: str, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> ChannelUNet:
    """A trained network from its state `tensors`; `options` are the arguments `channels` and `decoder` of `build_unet`."""
    unet = build_unet(backbone, options["channels"], options["decoder"], {"pretrained": False})
    return ChannelUNet(unet, tensors["projection"].shape[1], tensors["mean"], tensors["deviation"], tensors["correlation"])
