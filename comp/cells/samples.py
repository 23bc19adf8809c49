"""Training samples of the segmenting network: crops of labelled fields, turned, scaled and dimmed at random."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from comp.cells.scale import DIAMETER, equivalent_diameters
from comp.cells.stains import BRIGHTEST, STAINS, Plane, planes
from comp.cells.targets import between, targets

SIDE = 128  # pixels of a crop
SCALES = (0.6, 1.7)  # of nuclei, around `DIAMETER`
STRETCH = 1.4  # at most: nuclei become longer
FINER = 1.6  # fields are kept at a scale at which nuclei have this many times `DIAMETER`
GAMMAS, GAINS = (0.6, 1.6), (0.6, 1.4)
NOISE, BLUR = 0.06, 1.2  # at most: standard deviation, and pixels
UNEVEN = 0.3  # standard deviation of the logarithm of the light
ONE_MISSING, BOTH_MISSING = 0.2, 0.2  # probabilities that microtubules, reticulum or both are left out
NEAR, BETWEEN = 5, 5.0  # pixels within which two objects are near each other, and how much these pixels count
EMPTY = 0.04  # share of crops that show nothing but noise


@dataclass(frozen=True)
class Field:
    """A labelled field.

    Attributes:
        planes: (H, W, 3).
        nuclei: (H, W) numbers of the nuclei, 0 outside.
        cells: (H, W) numbers of the cells; None if they are not known.
        diameter: median diameter of its nuclei, in pixels.
    """

    planes: Plane
    nuclei: NDArray[np.int32]
    cells: NDArray[np.int32] | None
    diameter: float


@dataclass(frozen=True)
class Sample:
    """A crop (SIDE, SIDE).

    Attributes:
        planes: (.., 3).
        targets: (.., 4) in the order of the network's maps.
        weights: (.., 4) how much a pixel of a map counts; 0 for cells that are not known.
    """

    planes: Plane
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]


def field_of(channels: dict[str, NDArray[np.generic]], nuclei: NDArray[np.integer], cells: NDArray[np.integer] | None = None) -> Field:
    """A field at the scale at which its nuclei have `FINER` times the usual diameter.

    Args:
        channels: stain -> (H, W).
        nuclei, cells: (H, W) label images.
    """
    found = equivalent_diameters(nuclei)
    diameter = float(np.median(found)) if len(found) else DIAMETER
    scale = FINER * DIAMETER / diameter
    scaled = planes(channels, scale)
    size = scaled.shape[1::-1]

    def at_scale(labels: NDArray[np.integer]) -> NDArray[np.int32]:
        return np.asarray(cv2.resize(labels.astype(np.int32), size, interpolation=cv2.INTER_NEAREST_EXACT), np.int32)

    return Field(scaled, at_scale(nuclei), None if cells is None else at_scale(cells), FINER * DIAMETER)


def draw_sample(fields: Sequence[Field], generator: Generator) -> Sample:
    """A random crop of a random field, or of an empty one."""
    if generator.random() < EMPTY:
        return _empty(generator)
    field = fields[int(generator.integers(len(fields)))]
    scale = DIAMETER * np.exp(generator.uniform(*np.log(SCALES))) / field.diameter
    first, second = generator.uniform(0, 2 * np.pi, 2)
    stretch = STRETCH ** generator.uniform(0, 1)
    height, width = field.nuclei.shape
    middle = generator.uniform([0, 0], [width, height])
    mirror = generator.choice([-1, 1])
    turn = _rotation(first) @ np.diag([scale * mirror * stretch**0.5, scale / stretch**0.5]) @ _rotation(second)
    matrix = np.column_stack([turn, SIDE / 2 - turn @ middle])

    def crop(image: NDArray[np.float32], interpolation: int) -> NDArray[np.float32]:
        turned = cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=interpolation, borderMode=cv2.BORDER_REFLECT_101)
        return np.asarray(turned, np.float32)

    stains = crop(field.planes, cv2.INTER_LINEAR)
    nuclei = crop(field.nuclei.astype(np.float32), cv2.INTER_NEAREST).astype(np.int32)
    cells = np.zeros_like(nuclei) if field.cells is None else crop(field.cells.astype(np.float32), cv2.INTER_NEAREST).astype(np.int32)
    wanted = np.concatenate([targets(nuclei), targets(cells)], axis=-1)
    weights = np.stack([_weight(nuclei)] * 2 + [_weight(cells) * (field.cells is not None)] * 2, axis=-1)
    return Sample(_developed(stains, generator), wanted, weights)


def _weight(labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """(H, W) how much pixels count: those between objects count more, so that objects that touch are told apart.

    So do Ronneberger, Fischer and Brox (MICCAI 2015), with weights that fall off with the distances to both objects.
    """
    return np.where(between(labels, NEAR), BETWEEN, 1.0).astype(np.float32)


def _rotation(angle: float) -> NDArray[np.float64]:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _uneven(generator: Generator, deviation: float) -> Plane:
    """A smooth field (SIDE, SIDE, stains) with mean 0."""
    coarse = generator.normal(0, deviation, (4, 4, len(STAINS))).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.float32)


def _developed(stains: Plane, generator: Generator) -> Plane:
    """Other exposure, focus and noise for each stain; stains left out at random, never the nuclei."""
    chance = generator.random()
    missing = [1, 2] if chance < BOTH_MISSING else [int(generator.integers(1, 3))] if chance < BOTH_MISSING + ONE_MISSING else []
    stains = stains * np.exp(_uneven(generator, UNEVEN))
    blur = generator.uniform(0, BLUR)
    if blur > 0.3:
        stains = np.asarray(cv2.GaussianBlur(stains, (0, 0), blur), np.float32)
    for plane in range(len(STAINS)):
        if plane in missing or not stains[..., plane].any():
            stains[..., plane] = 0
            continue
        gamma, gain = np.exp(generator.uniform(*np.log(GAMMAS))), np.exp(generator.uniform(*np.log(GAINS)))
        noise = generator.normal(0, generator.uniform(0, NOISE), stains.shape[:2])
        stains[..., plane] = np.clip(gain * stains[..., plane] ** gamma + noise, 0, BRIGHTEST)
    return stains


def _empty(generator: Generator) -> Sample:
    """Noise with uneven light, normalised like an image: what a field without cells looks like."""
    noise = generator.normal(0, 1, (SIDE, SIDE, len(STAINS))).astype(np.float32)
    blur = generator.uniform(0, 2)
    if blur > 0.3:
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), blur), np.float32)
    noise = noise + _uneven(generator, generator.uniform(0, 2))
    shown = planes({stain: noise[..., number] for number, stain in enumerate(STAINS)})
    return Sample(_developed(shown, generator), np.zeros((SIDE, SIDE, 4), np.float32), np.ones((SIDE, SIDE, 4), np.float32))
