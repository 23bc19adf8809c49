"""The green channel of proteins in the cytoskeleton or at the border of the cell; rules as in `nuclear`."""

import numpy as np
from numpy.random import Generator

from comp.practice.cells import METAPHASE, Floats, Ints
from comp.practice.field import Field, Picture
from comp.practice.strokes import bridge_ends, bridges, fibres, interphase, microtubules, near_pole, some, spindles, wander


def intermediate_filaments(field: Field, style: Generator, rng: Generator) -> Picture:
    """Wavy bundles, tangled around the nucleus, denser on one side."""
    number, curl, width = style.uniform(14, 34), style.uniform(1.2, 2.4), style.uniform(0.3, 0.45)
    cells = interphase(field)
    cage = fibres(field, some(cells, number, rng, least=6), rng, (0.02, 0.35), (-0.1, 0.4), curl)
    bright = 0.4 * np.exp(rng.normal(0, 0.5, len(cage)))
    knot = wander(near_pole(field, some(cells, number * 0.6, rng), rng, 0.6, 0.2), rng, 7.0, 8, 0.45)
    return field.lines(cage, bright, width) + field.lines(knot, 0.22, width)


def actin_filaments(field: Field, style: Generator, rng: Generator) -> Picture:
    """Straight parallel bundles from border to border of the cell, and a bright border."""
    number, tilt, cortex = style.uniform(7, 16), style.uniform(0.05, 0.25), style.uniform(0.25, 0.8)
    cell = some(interphase(field), number, rng, least=3)
    heading = field.cells.heading[cell]
    side = np.where(rng.random(len(cell)) < 0.5, 0, np.pi)
    offset = rng.normal(0, 0.75, len(cell))
    start = field.cells.points(cell, heading + side + offset, rng.uniform(0.7, 0.97, len(cell)))
    stop = field.cells.points(cell, heading + side + np.pi - offset + rng.normal(0, tilt, len(cell)), rng.uniform(0.7, 0.97, len(cell)))
    along = np.linspace(0, 1, 6)[:, None]
    paths = start[:, None] * (1 - along) + stop[:, None] * along
    bright = np.exp(rng.normal(-0.3, 0.4, len(cell)))
    edge = cortex * np.exp(-field.rim / 0.6) * (field.cell_map > 0)
    return field.lines(paths, bright, 0.3) * (field.cell_map > 0) + edge + 0.06 * field.cytoplasm


def focal_adhesions(field: Field, style: Generator, rng: Generator) -> Picture:
    """Short dashes near the border of the cell, pointing outward."""
    number, length, haze = style.uniform(18, 40), style.uniform(0.12, 0.25), style.uniform(0.03, 0.12)
    cell = some(interphase(field), number, rng, least=8)
    angle = rng.uniform(0, 2 * np.pi, len(cell))
    depth = 0.97 - 0.45 * rng.random(len(cell)) ** 2
    ends = [field.cells.points(cell, angle + rng.normal(0, 0.02, len(cell)), depth - step * length) for step in (0.0, 0.5, 1.0)]
    return field.lines(np.stack(ends, axis=1), np.exp(rng.normal(0.2, 0.3, len(cell))), 0.36) + haze * field.cytoplasm


def microtubule_network(field: Field, style: Generator, rng: Generator) -> Picture:
    """The filaments of the red channel."""
    return microtubules(field) + style.uniform(0.02, 0.12) * field.cytoplasm


def microtubule_ends(field: Field, style: Generator, rng: Generator) -> Picture:
    """Short comets pointing outward, most of them in the outer half of the cell."""
    number, length = style.uniform(45, 90), style.uniform(0.05, 0.1)
    comets = fibres(field, some(interphase(field), number, rng, least=20), rng, (0.35, 0.9), (length, length * 1.5), 0.02, steps=3)
    return field.lines(comets, np.exp(rng.normal(0.4, 0.3, len(comets))), 0.25)


def cytokinetic_bridge(field: Field, style: Generator, rng: Generator) -> Picture:
    """The bridge between two daughter cells, brightest in or near its middle."""
    midbody, flank, haze = style.uniform(0.5, 1.6), style.uniform(0.5, 1.2), style.uniform(0.03, 0.12)
    one, two = bridge_ends(field)
    middle = field.lines(np.stack([one * 0.57 + two * 0.43, one * 0.43 + two * 0.57], axis=1), midbody, 0.55)
    return middle + bridges(field, rng, flank) + haze * field.cytoplasm


def mitotic_spindle(field: Field, style: Generator, rng: Generator) -> Picture:
    """Fibres and poles of the spindle, in cells in metaphase."""
    poles, haze = style.uniform(0.3, 1.2), style.uniform(0.03, 0.12)
    cell = np.flatnonzero(field.cells.state == METAPHASE)
    reach = field.cells.outline[cell].mean(axis=1, keepdims=True) * 0.6
    axis = np.stack([np.cos(field.cells.pole[cell]), np.sin(field.cells.pole[cell])], axis=-1)
    ends = np.concatenate([field.cells.centres[cell] + axis * reach, field.cells.centres[cell] - axis * reach])
    return spindles(field, rng, style.uniform(0.5, 0.9)) + field.spots(ends, poles, 0.7) + haze * field.cytoplasm


def organizing_center(field: Field, style: Generator, rng: Generator) -> Picture:
    """A hazy patch next to the nucleus with short filaments that fan out."""
    size, fan, haze = style.uniform(0.9, 1.5), style.uniform(6, 16), style.uniform(0.02, 0.1)
    cells = interphase(field)
    core = near_pole(field, cells, rng, 0.05, 0.04)
    rays = wander(core[some(np.arange(len(cells)), fan, rng)], rng, style.uniform(2.5, 5), 5, 0.25)
    return field.spots(core, 0.9, size) + field.lines(rays, 0.35, 0.25) + haze * field.cytoplasm


def centrosome(field: Field, style: Generator, rng: Generator) -> Picture:
    """One or two sharp dots next to the nucleus."""
    size, second_share, haze = style.uniform(0.32, 0.5), style.uniform(0.4, 0.95), style.uniform(0.02, 0.1)
    cells = interphase(field)
    first = near_pole(field, cells, rng, 0.05, 0.04)
    turn = rng.uniform(0, 2 * np.pi, len(cells))
    second = first + np.stack([np.cos(turn), np.sin(turn)], axis=-1) * rng.uniform(0.8, 1.8, (len(cells), 1))
    points = np.concatenate([first, second[rng.random(len(cells)) < second_share]])
    return field.spots(points, 1.7, size) + haze * (field.cell_map > 0)


def plasma_membrane(field: Field, style: Generator, rng: Generator) -> Picture:
    """The border of the cell as an uneven line, with ruffles inside it and a grained haze over the cell."""
    ruffle, haze, uneven, width = style.uniform(0.3, 1.0), style.uniform(0.08, 0.35), style.uniform(0.3, 0.8), style.uniform(0.25, 0.45)
    line = field.lines(_closed(field, interphase(field)), 0.7, width) * np.clip(1 + uneven * field.texture(5.0, rng), 0.1, None)
    folds = np.clip(field.texture(2.4, rng) - 0.3, 0, 1.5) * np.exp(-field.rim / 2.5) * ruffle
    surface = haze * np.clip(1 + 0.35 * field.texture(1.2, rng) + 0.2 * field.texture(8.0, rng), 0, None)
    return line + (folds + surface * (1 - 0.4 * field.nucleus)) * (field.cell_map > 0)


def cell_junctions(field: Field, style: Generator, rng: Generator) -> Picture:
    """Broken lines where two cells touch; nothing at free borders."""
    gaps, haze = style.uniform(-0.9, 0.0), style.uniform(0.02, 0.1)
    pixel_reach = max(1, round(0.9 * field.scale))
    shared = np.zeros((field.pixels, field.pixels), np.float32)
    cells = field.cell_map.astype(np.int32)
    for ahead, behind in ((np.s_[:, pixel_reach:], np.s_[:, :-pixel_reach]), (np.s_[pixel_reach:], np.s_[:-pixel_reach])):
        touch = (cells[ahead] != cells[behind]) & (cells[ahead] > 0) & (cells[behind] > 0)
        shared[ahead] = np.maximum(shared[ahead], touch)
        shared[behind] = np.maximum(shared[behind], touch)
    line = field.soften(shared * np.exp(-field.rim / 0.5), 0.3)
    broken = np.clip((field.texture(2.0, rng) - gaps) * 2, 0, 1)
    return 1.9 * line * broken + haze * field.cytoplasm


def _closed(field: Field, cells: Ints) -> Floats:
    """Outlines (n, RAYS + 1, 2), a little inside the border."""
    border = field.cells.polygons(field.cells.outline - 0.3)[cells]
    return np.concatenate([border, border[:, :1]], axis=1)
