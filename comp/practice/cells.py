"""Places and shapes of cells: vector geometry in micrometres, independent of the image size."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from comp.practice.catalogue import CellLine

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FIELD = 138.0  # side of the field of view in micrometres: 1728 pixels of 0.08 um, with a 63x objective
MARGIN = 16.0  # cells are also placed outside the field, so that some lie across its border
RAYS = 48  # number of directions in which outlines are given as radii
ANGLES = np.arange(RAYS) * (2 * np.pi / RAYS)
DIRECTIONS = np.stack([np.cos(ANGLES), np.sin(ANGLES)])  # (2, RAYS)
WAVES = np.arange(1, 8)  # per turn; they make outlines irregular
HARMONICS = np.concatenate([np.sin(WAVES[:, None] * ANGLES), np.cos(WAVES[:, None] * ANGLES)])  # (14, RAYS)

INTERPHASE, METAPHASE, DAUGHTER = 0, 1, 2


@dataclass
class Cells:
    """N cells. Outlines are radii around the centre of the nucleus, along `ANGLES`.

    Attributes:
        centres: (N, 2) x and y of the nuclei.
        nucleus: (N, RAYS) outline of the nucleus; in metaphase, of the chromosomes.
        outline: (N, RAYS) outline of the cell, outside that of the nucleus.
        heading: (N,) direction of the long axis.
        pole: (N,) direction from the nucleus to centrosome and Golgi; in metaphase, of the spindle.
        state: (N,) INTERPHASE, METAPHASE or DAUGHTER (of an unfinished division).
        sister: (N,) the other daughter, or -1.
    """

    centres: Floats
    nucleus: Floats
    outline: Floats
    heading: Floats
    pole: Floats
    state: Ints
    sister: Ints

    def __len__(self) -> int:
        return len(self.centres)

    def points(self, cell: Ints, angle: Floats, depth: Floats) -> Floats:
        """Points (..., 2) from polar coordinates of their cell.

        Args:
            cell: index of the cell.
            angle: direction from the centre of the nucleus.
            depth: -1 is the centre of the nucleus, 0 its edge, 1 the edge of the cell.
        """
        angle = np.asarray(angle, np.float32)  # takes half the time of float64, and is accurate to a nanometre
        ray = (angle * np.float32(RAYS / (2 * np.pi))) % RAYS
        low = ray.astype(np.int64) % RAYS
        share = ray - np.floor(ray)
        here, next_ray = cell * RAYS + low, cell * RAYS + (low + 1) % RAYS
        inner, outer = (table.take(here) * (1 - share) + table.take(next_ray) * share for table in (self.nucleus, self.outline))
        radius = np.where(depth < 0, inner * (1 + depth), inner + depth * (outer - inner))
        points = np.empty((*radius.shape, 2))
        points[..., 0] = self.centres[:, 0].take(cell) + radius * np.cos(angle)
        points[..., 1] = self.centres[:, 1].take(cell) + radius * np.sin(angle)
        return points

    def polygons(self, outline: Floats) -> Floats:
        """(N, RAYS, 2) vertices of `nucleus` or `outline`."""
        return np.asarray(self.centres[:, None] + outline[..., None] * DIRECTIONS.T)

    def areas(self) -> Floats:
        """(N,) square micrometres of cytoplasm."""
        return np.asarray((self.outline**2 - self.nucleus**2).mean(axis=1) * np.pi)


def grow(line: CellLine, rng: Generator, crowding: float = 1.0, metaphases: int = 0, divisions: int = 0) -> Cells:
    """Cells of a line in and around one field.

    Args:
        crowding: density of the cells, relative to the usual density of the line.
        metaphases, divisions: minimum number of cells in metaphase, and of pairs that still share a bridge.
    """
    common = rng.uniform(0, np.pi)
    centres = _places(line, rng, crowding, common)
    state, sister, centres = _cell_cycle(centres, line, rng, metaphases, divisions)
    count = len(centres)
    dividing = state != INTERPHASE
    own = rng.uniform(0, np.pi, count)
    heading = np.where(rng.random(count) < line.alignment, common + rng.normal(0, 0.25, count), own)
    pole = rng.uniform(0, 2 * np.pi, count)
    pairs = sister >= 0
    toward = centres[sister[pairs]] - centres[pairs]
    pole[pairs] = np.arctan2(toward[:, 1], toward[:, 0]) + np.pi

    radius = line.nucleus * np.exp(rng.normal(0, 0.11, count)) * np.where(pairs, 0.68, 1.0)
    stretch = np.exp(np.abs(rng.normal(0.27 + 0.1 * (line.aspect - 1), 0.14, count)))
    nucleus = radius[:, None] * _ellipse(heading, stretch) * _wobble(rng, count, 0.045)
    reach = line.reach * np.exp(rng.normal(0, 0.13, count)) * np.where(pairs, 0.75, 1.0)
    aspect = line.aspect * np.exp(rng.normal(0, 0.15, count))
    outline = reach[:, None] * _ellipse(heading, np.where(dividing, 1.0, aspect)) * _wobble(rng, count, line.raggedness)
    round_up = state == METAPHASE
    outline[round_up] = (1.25 * radius[round_up])[:, None] * _wobble(rng, int(round_up.sum()), 0.02)
    nucleus[round_up] = _plate(pole[round_up], radius[round_up])
    room = _room(centres, heading, np.where(dividing, 1.0, aspect)) * _wobble(rng, count, 0.025) - rng.gamma(1.5, 0.2, (count, 1))
    outline = np.minimum(outline, room)
    outline = np.maximum(outline, nucleus + rng.uniform(0.7, 1.6, (count, 1)))
    return Cells(centres, nucleus, outline, heading, pole, state, sister)


def _places(line: CellLine, rng: Generator, crowding: float, common: float) -> Floats:
    """Centres: a jittered hexagonal layer with empty places. Centres are pushed apart until nuclei do not overlap.

    For long, aligned cells the layer is stretched in the `common` direction.
    """
    side = FIELD + 2 * MARGIN
    stretch = (1 + (line.aspect - 1) * line.alignment) ** 0.5
    steps = int(side * 0.75 * stretch / line.spacing) + 2
    column, row = np.meshgrid(np.arange(-steps, steps + 1), np.arange(-steps, steps + 1))
    lattice = np.stack([column + 0.5 * (row % 2), row * np.sqrt(0.75)], axis=-1).reshape(-1, 2) * line.spacing
    lattice = lattice @ _rotation(rng.uniform(0, np.pi)) + rng.normal(0, 0.3 * line.spacing, lattice.shape)
    lattice = lattice * [stretch, 1 / stretch] @ _rotation(common)
    centres = lattice + FIELD / 2 + rng.uniform(0, line.spacing, 2)
    centres = centres[(np.abs(centres - FIELD / 2) < side / 2).all(axis=1)]

    waves = rng.normal(0, 1, (5, 2)) * (2 * np.pi / 130)
    colony = np.sin(centres @ waves.T + rng.uniform(0, 2 * np.pi, 5)).sum(axis=1) / np.sqrt(2.5)
    wish = line.clumping * colony + (1 - line.clumping) * rng.normal(0, 1, len(centres))
    keep = max(3, round(len(centres) * min(1.0, line.occupancy * crowding)))
    centres = centres[np.argsort(-wish, kind="stable")[:keep]]
    return _apart(centres, 2.35 * line.nucleus)


def _rotation(angle: float) -> Floats:
    """(2, 2) matrix that rotates row vectors by `angle`."""
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def _apart(centres: Floats, distance: float) -> Floats:
    for _ in range(4):
        offset = centres[:, None] - centres[None]
        length = np.sqrt((offset**2).sum(axis=-1)) + np.eye(len(centres)) * 1e9
        push = np.clip(distance - length, 0, None) / length * 0.5
        centres = centres + (offset * push[..., None]).sum(axis=1) * 0.8
    return centres


def _cell_cycle(centres: Floats, line: CellLine, rng: Generator, metaphases: int, divisions: int) -> tuple[Ints, Ints, Floats]:
    """States, sisters and centres. A dividing cell becomes two; cells in the place of the second one are removed."""
    metaphases = max(metaphases, int(rng.binomial(len(centres), 0.004)))
    divisions = max(divisions, int(rng.random() < 0.08))
    inside = (np.abs(centres - FIELD / 2) < FIELD / 2 - 14).all(axis=1)
    lacking = max(0, metaphases + divisions - int(inside.sum()))
    centres = np.vstack([centres, rng.uniform(14, FIELD - 14, (lacking, 2))])
    chosen = rng.permutation(np.flatnonzero(np.append(inside, np.ones(lacking, bool))))[: metaphases + divisions]
    state = np.full(len(centres), INTERPHASE)
    state[chosen[:metaphases]] = METAPHASE
    state[chosen[metaphases:]] = DAUGHTER
    sister = np.full(len(centres), -1)
    removed = np.zeros(len(centres), bool)
    for mother in chosen[metaphases:]:
        turn, gap = rng.uniform(0, 2 * np.pi), line.nucleus * rng.uniform(2.1, 2.7)
        place = centres[mother] + gap * np.array([np.cos(turn), np.sin(turn)])
        removed |= (((centres - place) ** 2).sum(axis=1) < (1.6 * line.nucleus) ** 2) & (state == INTERPHASE)
        sister[mother] = len(centres)
        centres = np.vstack([centres, place])
        state, sister, removed = np.append(state, DAUGHTER), np.append(sister, mother), np.append(removed, False)
    kept = np.flatnonzero(~removed)
    number = np.cumsum(~removed) - 1
    sister = np.where(sister[kept] >= 0, number[sister[kept]], -1)
    return state[kept], sister, centres[kept]


def _ellipse(heading: Floats, aspect: Floats) -> Floats:
    """(N, RAYS) radii of ellipses with the area pi."""
    angle = ANGLES - heading[:, None]
    stretch = aspect[:, None]
    return np.asarray(1 / np.sqrt(np.cos(angle) ** 2 / stretch + np.sin(angle) ** 2 * stretch))


def _plate(axis: Floats, radius: Floats) -> Floats:
    """(N, RAYS) radii of the metaphase plate from the side: long across the axis of the spindle."""
    angle = ANGLES - axis[:, None]
    half_length, half_width = 0.85 * radius[:, None], 0.28 * radius[:, None]
    return np.asarray(1 / np.sqrt((np.cos(angle) / half_width) ** 2 + (np.sin(angle) / half_length) ** 2))


def _wobble(rng: Generator, count: int, size: float) -> Floats:
    """(N, RAYS) factors around 1: a sum of waves, shorter ones weaker. The first wave moves the nucleus off the middle."""
    weight = size / WAVES**0.5 * np.where(WAVES == 1, 1.5, 1.0) / np.sqrt(2)
    return np.asarray(np.exp(rng.normal(0, 1, (count, 2 * len(WAVES))) * np.tile(weight, 2) @ HARMONICS))


def _room(centres: Floats, heading: Floats, aspect: Floats) -> Floats:
    """(N, RAYS) distance along each ray to the border with the neighbours.

    The border lies where an ellipse around the cell meets the ellipse around its neighbour, so for long cells it is not in the middle.
    """
    reach = _ellipse(heading, aspect)
    offset = centres[None] - centres[:, None]
    squared = (offset**2).sum(axis=-1)
    np.fill_diagonal(squared, np.inf)
    room = np.full((len(centres), RAYS), np.inf)
    rows = np.arange(len(centres))
    for neighbour in np.argsort(squared, axis=1, kind="stable")[:, : min(9, len(centres) - 1)].T:
        gap = offset[rows, neighbour]
        ray = (np.arctan2(gap[:, 1], gap[:, 0]) * (RAYS / (2 * np.pi))).astype(np.int64) % RAYS
        mine, theirs = reach[rows, ray], reach[neighbour, (ray + RAYS // 2) % RAYS]
        border = squared[rows, neighbour] * mine / (mine + theirs)
        along = np.maximum(gap @ DIRECTIONS, 1e-6)
        np.minimum(room, border[:, None] / along, out=room)
    return room
