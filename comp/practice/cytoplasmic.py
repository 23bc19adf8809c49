"""The green channel of proteins in vesicles and bodies of the cytoplasm; rules as in `nuclear`."""

import numpy as np
from numpy.random import Generator

from comp.practice.cells import Floats
from comp.practice.field import Field, Picture
from comp.practice.stains import reticulum
from comp.practice.strokes import in_cytoplasm, interphase, near_pole, some, wander


def endoplasmic_reticulum(field: Field, style: Generator, rng: Generator) -> Picture:
    """The net of the yellow channel, with the envelope of the nucleus."""
    reach, envelope = style.uniform(4, 14), style.uniform(0, 0.5)
    return reticulum(field, reach) + envelope * np.exp(-field.nucleus_distance / 0.6) * field.cytoplasm


def golgi(field: Field, style: Generator, rng: Generator) -> Picture:
    """A patch of short ribbons close to the nucleus, on one side of it."""
    ribbons, spread, deep, width = style.uniform(10, 24), style.uniform(0.25, 0.65), style.uniform(0.06, 0.18), style.uniform(0.28, 0.42)
    length, cloud = style.uniform(1.2, 3.0), style.uniform(0.1, 0.35)
    cell = some(interphase(field), ribbons, rng, least=5)
    start = near_pole(field, cell, rng, spread, deep)
    paths = wander(start, rng, length, 6, 0.7)
    return field.lines(paths, np.exp(rng.normal(-0.1, 0.35, len(paths))), width) + field.spots(start, cloud, 0.9)


def peroxisomes(field: Field, style: Generator, rng: Generator) -> Picture:
    """Very many small grains of one size, all over the cytoplasm."""
    number, size, haze = style.uniform(70, 150), style.uniform(0.2, 0.3), style.uniform(0.0, 0.05)
    points = in_cytoplasm(field, some(interphase(field), number, rng, least=30), rng, 0.9)
    return field.spots(points, 1.4 * np.exp(rng.normal(0, 0.2, len(points))), size) + haze * field.cytoplasm


def endosomes(field: Field, style: Generator, rng: Generator) -> Picture:
    """Some dozens of grains of mixed size, fewer with the distance from the nucleus; the largest are rings."""
    number, rings, haze = style.uniform(25, 55), style.uniform(0.1, 0.35), style.uniform(0.02, 0.1)
    points = in_cytoplasm(field, some(interphase(field), number, rng, least=12), rng, 0.7)
    large = rng.random(len(points)) < rings
    small = field.spots(points[~large], np.exp(rng.normal(0.2, 0.4, int((~large).sum()))), 0.3)
    return small + _rings(field, points[large], rng.uniform(0.5, 0.9, int(large.sum())), 0.8, 0.22) + haze * field.cytoplasm


def lysosomes(field: Field, style: Generator, rng: Generator) -> Picture:
    """Dozens of large bright grains, crowded near the nucleus on the side of the centrosome."""
    number, size, spread = style.uniform(18, 40), style.uniform(0.4, 0.6), style.uniform(0.7, 1.3)
    cell = some(interphase(field), number, rng, least=8)
    crowd = near_pole(field, cell, rng, spread, 0.22)
    stray = in_cytoplasm(field, some(interphase(field), number * 0.3, rng), rng, 0.8)
    bright = np.exp(rng.normal(0.2, 0.4, len(crowd)))
    return field.spots(crowd, bright, size) + field.spots(stray, 0.7, size * 0.8)


def lipid_droplets(field: Field, style: Generator, rng: Generator) -> Picture:
    """Round shells of very different size in clusters, dark inside when large."""
    number, largest = style.uniform(12, 28), style.uniform(0.9, 1.6)
    seeds = in_cytoplasm(field, some(interphase(field), number / 5, rng, least=1), rng, 0.6)
    host = some(np.arange(len(seeds)), 5, rng, least=1)
    points = seeds[host] + rng.normal(0, 1.6, (len(host), 2))
    radius = 0.3 + largest * rng.random(len(host)) ** 2
    return _rings(field, points, radius, 0.9, 0.25) * (field.cell_map > 0) * (1 - 0.85 * field.nucleus)


def mitochondria(field: Field, style: Generator, rng: Generator) -> Picture:
    """Many short winding threads, dense around the nucleus and sparse at the border of the cell."""
    number, length, out, curl = style.uniform(0.14, 0.26), style.uniform(1.2, 3.5), style.uniform(0.45, 0.75), style.uniform(0.3, 0.7)
    cells = interphase(field)
    host = np.repeat(cells, np.clip(field.cells.areas()[cells] * number, 20, 130).astype(int))
    paths = wander(in_cytoplasm(field, host, rng, out), rng, length, 7, curl)
    return field.lines(paths, 0.7 * np.exp(rng.normal(0, 0.3, len(paths))), 0.27) * field.cytoplasm


def aggresome(field: Field, style: Generator, rng: Generator) -> Picture:
    """One large lump next to the nucleus, in most cells."""
    share, size, haze = style.uniform(0.6, 0.95), style.uniform(1.1, 1.8), style.uniform(0.03, 0.12)
    cells = interphase(field)
    cells = cells[rng.random(len(cells)) < share]
    core = near_pole(field, cells, rng, 0.15, 0.14)
    grain = np.clip(1 + 0.3 * field.texture(1.2, rng), 0.3, None)
    lumps = field.discs(core, size * np.exp(rng.normal(0, 0.2, len(core))), 0.4)
    return 1.3 * lumps * grain * (1 - 0.9 * field.nucleus) + haze * field.cytoplasm


def cytosol(field: Field, style: Generator, rng: Generator) -> Picture:
    """The whole cytoplasm, finely grained, thin toward the border; the nucleus stays darker."""
    grain, mottle, nuclear = style.uniform(0.8, 2.0), style.uniform(0.06, 0.22), style.uniform(0.1, 0.55)
    thick = 0.55 + 0.6 * np.exp(-field.nucleus_distance / style.uniform(6, 20))
    body = np.clip(0.75 + mottle * field.texture(grain, rng) + 0.1 * field.texture(6, rng), 0.05, None)
    return body * (thick * field.cytoplasm + nuclear * field.nucleus * (1 - 0.5 * field.nucleolus))


def cytoplasmic_bodies(field: Field, style: Generator, rng: Generator) -> Picture:
    """A few round, separate, bright spots in the cytoplasm."""
    number, size, haze = style.uniform(3, 9), style.uniform(0.4, 0.65), style.uniform(0.03, 0.14)
    points = in_cytoplasm(field, some(interphase(field), number, rng, least=1), rng, 0.9)
    return field.spots(points, 1.3 * np.exp(rng.normal(0, 0.25, len(points))), size) + haze * field.cytoplasm


def rods_and_rings(field: Field, style: Generator, rng: Generator) -> Picture:
    """One to four straight rods and some rings, several micrometres long, in each cell."""
    number, length, round_share = style.uniform(1.5, 3.5), style.uniform(4, 8), style.uniform(0.15, 0.45)
    points = in_cytoplasm(field, some(interphase(field), number, rng, least=1), rng, 0.8)
    ring = rng.random(len(points)) < round_share
    rods = field.lines(wander(points[~ring], rng, length, 6, 0.05), 1.3, 0.33)
    return rods + _rings(field, points[ring], rng.uniform(1.2, 2.0, int(ring.sum())), 1.2, 0.33) + 0.04 * field.cytoplasm


def _rings(field: Field, points: Floats, radius: Floats, height: float, width: float) -> Picture:
    turn = np.linspace(0, 2 * np.pi, 13)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    return field.lines(points[:, None] + radius[:, None, None] * circle, height, width)
