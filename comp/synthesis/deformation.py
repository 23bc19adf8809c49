"""Deformed images: a random affine map and an elastic one, the same for an image and its cell numbers.

The elastic map is that of Simard, Steinkraus and Platt (ICDAR 2003): displacements of white noise, smoothed by a Gaussian.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

WAVE = 0.12  # standard deviation of the Gaussian, as a share of the shorter side
COARSE = 16  # points of a side on which the noise is drawn: it is smooth


@dataclass(frozen=True)
class Deformation:
    """How strongly images are deformed.

    Attributes:
        turn: largest angle in degrees, besides quarter turns and mirroring.
        enlarge: largest enlargement, as a share.
        shear: largest shear.
        bend: standard deviation of the elastic displacement, as a share of the shorter side.
    """

    turn: float = 15.0
    enlarge: float = 0.3
    shear: float = 0.1
    bend: float = 0.02

    def maps(self, shape: tuple[int, int], generator: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """For each pixel (H, W) of the deformed image, the x and y of its pixel in the image."""
        height, width = shape
        angle, shear = (generator.uniform(-most, most) for most in (np.radians(self.turn), self.shear))
        angle += np.pi / 2 * generator.integers(4)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        affine = turn @ np.array([[generator.choice([-1.0, 1.0]), shear], [0.0, 1.0]]) / (1 + generator.uniform(0, self.enlarge))
        y, x = np.mgrid[:height, :width].astype(np.float32)
        centre = np.array([(width - 1) / 2, (height - 1) / 2])
        from_x = affine[0, 0] * (x - centre[0]) + affine[0, 1] * (y - centre[1]) + centre[0]
        from_y = affine[1, 0] * (x - centre[0]) + affine[1, 1] * (y - centre[1]) + centre[1]
        bent = [np.float32(self.bend * min(shape)) * _smooth_noise(shape, generator) for _ in range(2)]
        return (from_x + bent[0]).astype(np.float32), (from_y + bent[1]).astype(np.float32)


def deformed(
    image: NDArray[np.float32], cells: NDArray[np.uint16], deformation: Deformation, generator: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """An image (H, W) or (H, W, C) and its cell numbers (H, W), deformed alike. Outside, the image is mirrored, and there are no cells."""
    x, y = deformation.maps(cells.shape, generator)
    bent = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    numbers = cv2.remap(cells, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(bent, np.float32), np.asarray(numbers, np.uint16)


def _smooth_noise(shape: tuple[int, int], generator: np.random.Generator) -> NDArray[np.float32]:
    """(H, W) smooth noise with mean 0 and standard deviation 1."""
    coarse = cv2.GaussianBlur(generator.standard_normal((COARSE, COARSE), np.float32), (0, 0), WAVE * COARSE, borderType=cv2.BORDER_REFLECT)
    coarse -= coarse.mean()
    scaled = np.asarray(coarse / max(float(coarse.std()), 1e-6), np.float32)
    large = cv2.resize(scaled, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(large, np.float32)
