"""From light to pixels: focus, exposure, noise, black level, 8 bits."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from comp.practice.field import Field, Picture

HOT_PIXELS = 3  # of the detector, in every channel; so no image is all black
NATIVE = 512  # size of the real competition's images in pixels, for which noise is specified


@dataclass(frozen=True)
class Exposure:
    """The exposure of one image; tuples have one entry for each channel (red, green, blue, yellow).

    Attributes:
        blur: micrometres, standard deviation of the point spread.
        gain: grey level of a picture with value 1.
        shot: variance of the noise per grey level of signal, at `NATIVE` pixels.
        read: standard deviation of the noise without light, grey levels, at `NATIVE` pixels.
        black: subtracted grey levels, so that the background is mostly 0.
        glow: share of the light that is out of focus, and spread over about ten micrometres.
    """

    blur: tuple[float, ...]
    gain: tuple[float, ...]
    shot: float
    read: float
    black: float
    glow: float


def expose(field: Field, pictures: list[Picture], size: int, exposure: Exposure, rng: Generator) -> NDArray[np.uint8]:
    """Pictures (pixels, pixels), one for each channel, as an image (size, size, channels)."""
    finer = size / NATIVE  # smaller pixels catch less light; larger ones average the noise
    levels = [1.0 if protein else _bright(picture) for picture, protein in zip(pictures, (False, True, False, False), strict=True)]
    channels = []
    for picture, level, blur, gain in zip(pictures, levels, exposure.blur, exposure.gain, strict=True):
        light = field.soften(picture, blur)
        if field.pixels != size:
            light = np.asarray(cv2.resize(light, (size, size), interpolation=cv2.INTER_AREA), np.float32)
        if exposure.glow:
            light = (1 - exposure.glow) * light + exposure.glow * _glow(light)
        light = light * np.float32(gain / level)
        noise = rng.standard_normal(light.shape, dtype=np.float32) * np.sqrt(exposure.shot * np.maximum(light, 0) + exposure.read**2)
        recorded = light + noise * np.float32(min(finer, 1.5)) - np.float32(exposure.black)
        hot = rng.integers(0, size, (HOT_PIXELS, 2))
        recorded[hot[:, 0], hot[:, 1]] += rng.uniform(6, 40, HOT_PIXELS).astype(np.float32) * np.float32(min(finer, 1.0) ** 0.5)
        channels.append(np.clip(np.rint(recorded), 0, 255).astype(np.uint8))
    return np.dstack(channels)


def _bright(picture: Picture) -> float:
    """The level that sets the exposure of a reference channel: a high quantile of the picture."""
    return max(float(np.quantile(picture[::4, ::4], 0.985)), 0.1)


def _glow(light: Picture) -> Picture:
    small = cv2.GaussianBlur(cv2.resize(light, (32, 32), interpolation=cv2.INTER_AREA), (0, 0), 1.7)
    return np.asarray(cv2.resize(small, light.shape, interpolation=cv2.INTER_LINEAR), np.float32)


def plan(well: Generator, own: Generator, faint: bool, intensity: float) -> Exposure:
    """An exposure: settings of the well, with small variations of the image.

    Args:
        faint: the protein is almost invisible.
        intensity: grey level of the staining by the antibody.
    """
    red, blue, yellow = (float(np.clip(mean * np.exp(well.normal(0, 0.4)), 30, 260)) for mean in (140, 150, 125))
    protein = well.uniform(5, 10) if faint else intensity * np.exp(well.normal(0, 0.15))
    blur = 0.12 + 0.1 * well.random(4) + (well.random() < 0.08) * own.uniform(0.2, 0.7)
    gain = np.array([red, protein, blue, yellow]) * np.exp(own.normal(0, 0.06, 4))
    return Exposure(
        blur=tuple(blur.tolist()),
        gain=tuple(gain.tolist()),
        shot=float(well.uniform(0.5, 4.0)),
        read=float(well.uniform(0.4, 2.2)),
        black=float(well.uniform(0.5, 4.0)),
        glow=float(max(0.0, well.uniform(-0.06, 0.18))),
    )
