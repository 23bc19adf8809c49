"""The green channel of proteins in the nucleus: one rule for each structure.

A rule takes the field, `style` (random numbers of the antibody, the same for all its images) and `rng` (those of the image). It returns a
picture in which a clearly visible structure is about 1.
"""

import numpy as np
from numpy.random import Generator

from comp.practice.field import Field, Picture
from comp.practice.strokes import in_nucleus, interphase, some


def nucleoplasm(field: Field, style: Generator, rng: Generator) -> Picture:
    """The whole nucleus, mottled, without the nucleoli."""
    grain, mottle, hollow = style.uniform(0.8, 2.2), style.uniform(0.08, 0.3), style.uniform(0.35, 0.95)
    body = np.clip(0.75 + mottle * field.texture(grain, rng), 0.1, None)
    return body * field.nucleus * (1 - hollow * field.nucleolus)


def nuclear_membrane(field: Field, style: Generator, rng: Generator) -> Picture:
    """A thin closed line around the nucleus, sometimes with folds across it."""
    haze, uneven, folds = style.uniform(0.02, 0.15), style.uniform(0.05, 0.25), style.uniform(0, 0.25)
    cells = field.cells
    inner = cells.polygons(cells.nucleus)[interphase(field)]
    ring = field.lines(np.concatenate([inner, inner[:, :1]], axis=1), 1.1, 0.3)
    fold = np.exp(-((field.texture(9.0, rng) / 0.06) ** 2)) * field.nucleus * folds
    return (ring + fold) * np.clip(1 + uneven * field.texture(3.0, rng), 0.2, None) + haze * field.nucleus


def nucleoli(field: Field, style: Generator, rng: Generator) -> Picture:
    """The lumps that are dark in blue, filled."""
    haze, mottle, rim = style.uniform(0.03, 0.3), style.uniform(0.05, 0.2), style.uniform(0, 0.4)
    body = field.nucleolus * np.clip(1 + mottle * field.texture(0.9, rng), 0.2, None)
    shell = np.clip(4 * field.nucleolus * (1 - field.nucleolus), 0, 1) * rim
    return body + shell + haze * field.nucleus


def fibrillar_centers(field: Field, style: Generator, rng: Generator) -> Picture:
    """Several small bright grains inside each nucleolus."""
    number, size, haze = style.uniform(2, 6), style.uniform(0.28, 0.45), style.uniform(0.0, 0.08)
    host = some(np.arange(len(field.nucleoli)), number, rng, least=1)
    turn, out = rng.uniform(0, 2 * np.pi, len(host)), 0.75 * np.sqrt(rng.random(len(host)))
    around = np.stack([np.cos(turn), np.sin(turn)], axis=-1) * (out * field.nucleoli[host, 2])[:, None]
    grains = field.spots(field.nucleoli[host, :2] + around, np.exp(rng.normal(0.1, 0.3, len(host))), size)
    return grains + haze * field.nucleus + 0.12 * field.nucleolus


def nuclear_speckles(field: Field, style: Generator, rng: Generator) -> Picture:
    """Twenty or more ragged blotches of different size in the nucleus, none in the nucleoli."""
    size, share, haze = style.uniform(1.4, 2.2), style.uniform(0.45, 0.9), style.uniform(0.05, 0.4)
    noise = field.texture(size, rng)
    blotches = np.clip((noise - share) * 2.0, 0, 1.3)
    return (blotches + haze) * field.nucleus * (1 - 0.95 * field.nucleolus) * np.clip(field.depth / 0.8, 0, 1)


def nuclear_bodies(field: Field, style: Generator, rng: Generator) -> Picture:
    """A handful of round, separate spots in the nucleus."""
    number, size, haze = style.choice([2.0, 4.0, 7.0, 11.0]), style.uniform(0.3, 0.55), style.uniform(0.03, 0.3)
    points = in_nucleus(field, some(interphase(field), number, rng, least=1), rng)
    bodies = field.spots(points, np.exp(rng.normal(0.2, 0.3, len(points))), size)
    return bodies + haze * field.nucleus * (1 - 0.5 * field.nucleolus)
