"""Flip, rotation, zoom and shift of each image; gain and gamma of each channel."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray


def build(
    rotate: float = 180.0, zoom: float = 0.2, shift: float = 0.1, gain: float = 0.5, gamma: float = 0.3
) -> Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]:
    """Each option is the largest change in either direction: degrees, log scale, share of the side, log gain, log gamma.

    Borders are mirrored. Gain and gamma are random for each channel, because channels have different exposures.
    """
    ramp = np.linspace(0, 1, 256)

    def augment(images: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
        _, height, width, channels = images.shape
        changed = np.empty_like(images)
        for row, image in enumerate(images):
            angle, scale, right, down = generator.uniform(-1, 1, 4) * (rotate, zoom, shift * width, shift * height)
            mirror = 1 if generator.random() < 0.5 else -1
            centre = np.array([(width - 1) / 2, (height - 1) / 2])
            cosine, sine = np.exp(scale) * np.cos(np.radians(angle)), np.exp(scale) * np.sin(np.radians(angle))
            linear = np.array([[cosine * mirror, -sine], [sine * mirror, cosine]])
            matrix = np.column_stack([linear, centre - linear @ centre + (right, down)])
            warped = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
            factors, powers = np.exp(generator.uniform(-1, 1, (2, channels)) * [[gain], [gamma]])
            table = np.clip(np.rint(255 * factors * ramp[:, None] ** powers), 0, 255).astype(np.uint8)
            changed[row] = cv2.LUT(warped.reshape(image.shape), table[None]).reshape(image.shape)  # OpenCV drops a single channel
        return changed

    return augment
