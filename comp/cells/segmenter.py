"""Segmenting images: the network at the scale at which nuclei have the size it knows, then watersheds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from comp.cells import watershed
from comp.cells.scale import DIAMETER, LARGEST_SCALE, equivalent_diameters, rough_diameter
from comp.cells.stains import Plane, normalised, planes
from comp.models.precision import autocast
from comp.models.segmenter_network import MAPS, STRIDE, SegmenterNetwork

Labels = NDArray[np.int32]
TILE, MARGIN = 1024, 64  # pixels: larger images are cut; what the network says near the border of a tile is not used
ROUNDS = 3  # in which the scale is corrected, at most
NEAR_ENOUGH = 1.35  # measured over expected diameter, or the reverse
VALLEY_ALONE = 0.15  # how far the depth falls between two nuclei; 0.06 to 0.3 were tried on the fields that it was trained on
VALLEY = 0.35  # where the rest of the cell is stained: there nuclei are large and their texture parts them at 0.1
MOST_PIXELS = 4096**2  # of an image as the network sees it
MOST_ENLARGED = 1024**2  # pixels to which an image is enlarged, at most: they take about a second of one core
FLIPS: tuple[tuple[int, ...], ...] = ((), (1,), (2,), (1, 2))  # of (C, H, W), whose maps are averaged where nuclei are alone
SHORTEST = 64  # pixels of the shorter side of an image as the network sees it, if it has as many
MOST_OBJECTS = 65_535  # numbers of a 16-bit mask


@dataclass(frozen=True)
class Masks:
    """Label images (H, W), 0 outside; `cells` is None without microtubules and reticulum. A cell has the number of its nucleus."""

    nuclei: NDArray[np.uint16]
    cells: NDArray[np.uint16] | None

    @property
    def count(self) -> int:
        return int(self.nuclei.max(initial=0))


class Segmenter:
    """A trained network that segments images of any size."""

    def __init__(self, network: SegmenterNetwork, device: str = "cpu") -> None:
        self.network = network.to(device).eval()
        self.device = torch.device(device)

    def __call__(self, channels: Mapping[str, NDArray[np.generic]], diameter: float | None = None) -> Masks:
        """The masks of one image.

        Args:
            channels: stain -> (H, W) of any type of numbers; "nuclei" is needed.
            diameter: of nuclei, in pixels; None: measured.
        """
        shape = channels["nuclei"].shape
        alone = len(channels) == 1
        valley = VALLEY_ALONE if alone else VALLEY
        expected = diameter or rough_diameter(normalised(channels["nuclei"]))
        for _ in range(1 if diameter else ROUNDS):
            stained = planes(channels, _scale(shape, expected))
            maps = self.maps(stained, alone)
            scale = maps.shape[0] / shape[0]
            nuclei = watershed.nuclei(maps[..., 0], maps[..., 1], expected * scale, valley)
            nuclei = watershed.without_faint(nuclei, stained[..., 0])
            diameters = equivalent_diameters(nuclei) / scale
            if not len(diameters):
                break
            before, expected = expected, float(np.median(diameters))
            if max(before / expected, expected / before) < NEAR_ENOUGH:
                break
        fine = watershed.at_size(nuclei, maps[..., 0], shape)
        if alone:
            return Masks(_as_mask(fine), None)
        cells = watershed.at_size(watershed.cells(maps[..., 2], maps[..., 3], nuclei), maps[..., 2], shape)
        return Masks(_as_mask(fine), _as_mask(np.where(fine, fine, cells)))

    def maps(self, image: Plane, with_flips: bool = False) -> Plane:
        """Probabilities and depths (H, W, 4), in the order of the `MAPS`, of planes (H, W, 3).

        Args:
            with_flips: means over as many `FLIPS` of the image as make up to `MOST_ENLARGED` pixels.
        """
        height, width = image.shape[:2]
        flips = FLIPS[: max(MOST_ENLARGED // (height * width), 1) if with_flips else 1]
        found = np.empty((height, width, len(MAPS)), np.float32)
        for top in range(0, max(height - 2 * MARGIN, 1), TILE - 2 * MARGIN):
            for left in range(0, max(width - 2 * MARGIN, 1), TILE - 2 * MARGIN):
                maps = self._of_tile(image[top : top + TILE, left : left + TILE], flips)
                row, column = min(top, MARGIN), min(left, MARGIN)
                found[top + row : top + TILE, left + column : left + TILE] = maps[row:, column:]
        return found

    def _of_tile(self, tile: Plane, flips: Sequence[tuple[int, ...]]) -> Plane:
        height, width = tile.shape[:2]
        padded = cv2.copyMakeBorder(tile, 0, -height % STRIDE, 0, -width % STRIDE, cv2.BORDER_REPLICATE)
        stained = torch.from_numpy(padded).permute(2, 0, 1).to(self.device)
        with torch.inference_mode(), autocast("auto", self.device):
            found = [torch.sigmoid(self.network(stained.flip(axes)[None]).float())[0].flip(axes) for axes in flips]
            maps = torch.stack(found).mean(dim=0).permute(1, 2, 0)
        return np.asarray(maps[:height, :width].cpu().numpy(), np.float32)


def _scale(shape: tuple[int, ...], diameter: float) -> float:
    """The scale at which nuclei have the usual diameter, within what is sensible and what memory allows."""
    area = shape[0] * shape[1]
    most = min(LARGEST_SCALE, max((MOST_ENLARGED / area) ** 0.5, 1.0), (MOST_PIXELS / area) ** 0.5)
    least = min(1.0, SHORTEST / min(shape), most)
    return min(max(DIAMETER / diameter, least), most)


def _as_mask(labels: Labels) -> NDArray[np.uint16]:
    """Labels as 16 bits; those that have no number in it are dropped."""
    return np.where(labels > MOST_OBJECTS, 0, labels).astype(np.uint16)
