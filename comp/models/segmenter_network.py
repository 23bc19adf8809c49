"""The U-Net that segments nuclei and cells."""

from typing import Any

import segmentation_models_pytorch as smp
from torch import Tensor, nn

MAPS = ("nucleus inside", "nucleus depth", "cell inside", "cell depth")
STRIDE = 16  # the sides of its images are multiples of this


class SegmenterNetwork(nn.Module):
    """Planes (B, 3, H, W) float32 of `comp.cells.stains` in, logits (B, 4, H, W) of the `MAPS` out; H and W are multiples of `STRIDE`."""

    def __init__(self, backbone: str, decoder: tuple[int, ...]) -> None:
        super().__init__()
        options: dict[str, Any] = {"encoder_depth": len(decoder), "encoder_weights": None, "decoder_channels": decoder}
        self.backbone, self.decoder = backbone, decoder
        self.unet = smp.Unet(f"tu-{backbone}", in_channels=3, classes=len(MAPS), **options)

    def forward(self, planes: Tensor) -> Tensor:
        maps: Tensor = self.unet(planes)
        return maps
