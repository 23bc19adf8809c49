"""The reference channels of every field: microtubules (red), nuclei (blue), endoplasmic reticulum (yellow); and debris."""

import numpy as np
from numpy.random import Generator

from comp.practice.cells import DAUGHTER, FIELD, INTERPHASE, METAPHASE
from comp.practice.field import Field, Picture
from comp.practice.strokes import microtubules


def red(field: Field, rng: Generator) -> Picture:
    """Microtubules over a faint haze. Cells differ in brightness."""
    haze = field.cytoplasm * (0.06 + 0.12 * np.exp(-field.nucleus_distance / 4))
    return (microtubules(field) + haze + 0.02 * field.nucleus) * _brightness(field, rng, 0.25)


def blue(field: Field, rng: Generator) -> Picture:
    """Chromatin: mottled, dark in nucleoli, slightly brighter at the edge, condensed in dividing cells."""
    mottle = 0.16 * field.texture(1.1, rng) + 0.14 * field.texture(2.6, rng)
    edge = 0.12 * np.exp(-field.depth / 0.6)
    chromatin = np.clip(0.62 + mottle + edge, 0.1, None) * (1 - 0.72 * field.nucleolus)
    if (field.cells.state != INTERPHASE).any():
        condensed = field.per_cell(np.select([field.cells.state == METAPHASE, field.cells.state == DAUGHTER], [1.0, 0.7], 0.0))
        chromatin = chromatin * (1 - condensed) + 1.25 * condensed
    return chromatin * field.nucleus * _brightness(field, rng, 0.22)


def yellow(field: Field, rng: Generator) -> Picture:
    """A net around the nucleus that thins out toward the border of the cell; in dividing cells outside the chromosomes."""
    return reticulum(field, rng.uniform(3.5, 10)) * _brightness(field, rng, 0.28)


def reticulum(field: Field, reach: float) -> Picture:
    """Endoplasmic reticulum. Its brightness falls by a factor of e over `reach` micrometres from the nucleus.

    A field always has the same net, so a protein in it lies on the yellow channel.
    """
    rng = np.random.default_rng([field.seed, 6])
    fine = 1 - 0.5 * np.exp(-field.nucleus_distance / 1.5)  # close to the nucleus, sheets overlap and hide the net
    net = 1.1 - fine * (0.38 * np.abs(field.texture(2.2, rng)) - 0.22 * field.texture(0.9, rng))
    sheets = 1 + 0.25 * field.texture(6.0, rng)
    fall = 0.25 + 0.75 * np.exp(-field.nucleus_distance / reach)
    return np.clip(net * sheets, 0.05, None) * fall * field.cytoplasm + 0.06 * field.nucleus


def debris(field: Field, rng: Generator) -> Picture:
    """Remains of dead cells: a few ragged lumps, bright in every channel. Most fields have none."""
    count = int(rng.integers(1, 6)) if rng.random() < 0.15 else 0
    host = rng.uniform(0, FIELD, (count, 2)).repeat(5, axis=0)
    lumps = field.discs(host + rng.normal(0, 1.6, host.shape), rng.uniform(0.5, 2.2, len(host)), rng.uniform(0.2, 0.8))
    return lumps * np.float32(rng.uniform(0.8, 2.5))


def _brightness(field: Field, rng: Generator, spread: float) -> Picture:
    """A brightness for each cell. Some are dark, because they are out of focus or took up little stain."""
    level = np.exp(rng.normal(0, spread, len(field.cells))) * np.where(rng.random(len(field.cells)) < 0.08, 0.45, 1.0)
    return field.per_cell(level * np.where(field.cells.state == INTERPHASE, 1.0, 1.25))
