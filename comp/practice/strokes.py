"""Random points and paths inside cells, from which puncta and filaments are drawn."""

import numpy as np
from numpy.random import Generator

from comp.practice.cells import INTERPHASE, METAPHASE, Floats, Ints
from comp.practice.field import Field, Picture


def interphase(field: Field) -> Ints:
    """Indices of the cells that are not dividing."""
    return np.flatnonzero(field.cells.state == INTERPHASE)


def some(cells: Ints, mean: float, rng: Generator, least: int = 0) -> Ints:
    """Each cell repeated a Poisson number of times, at least `least`."""
    return np.repeat(cells, np.maximum(rng.poisson(mean, len(cells)), least))


def in_cytoplasm(field: Field, cell: Ints, rng: Generator, outward: float = 1.0) -> Floats:
    """One point (M, 2) in the cytoplasm of each of `cell` (M,).

    Args:
        outward: 1 is uniform along the radius, less is nearer to the nucleus, more is nearer to the border of the cell.
    """
    depth = 0.04 + 0.92 * rng.random(len(cell)) ** (1 / outward)
    angle = _angles_by_reach(field, cell, rng)
    return field.cells.points(cell, angle, depth)


def near_pole(field: Field, cell: Ints, rng: Generator, spread: float, deep: float) -> Floats:
    """Points (M, 2) near the nucleus on the side of the centrosome; `spread` in radians, `deep` in units of depth."""
    angle = field.cells.pole[cell] + rng.normal(0, spread, len(cell))
    return field.cells.points(cell, angle, np.clip(0.06 + np.abs(rng.normal(0, deep, len(cell))), 0.02, 0.95))


def in_nucleus(field: Field, cell: Ints, rng: Generator) -> Floats:
    """Points (M', 2) in the nuclei of `cell` (M,), without those inside a nucleolus."""
    depth = -1 + 0.9 * np.sqrt(rng.random(len(cell)))
    points = field.cells.points(cell, rng.uniform(0, 2 * np.pi, len(cell)), depth)
    if not (len(field.nucleoli) and len(points)):
        return points
    apart = np.sqrt(((points[:, None] - field.nucleoli[None, :, :2]) ** 2).sum(axis=-1))
    return np.asarray(points[(apart > field.nucleoli[:, 2] + 0.2).all(axis=1)])


def fibres(
    field: Field, cell: Ints, rng: Generator, start: tuple[float, float], length: tuple[float, float], curl: float, steps: int = 9
) -> Floats:
    """Smooth paths (F, steps, 2), one in each of `cell` (F,), from near the nucleus outward or around it.

    Args:
        start: range of the depth at their start (0 nucleus, 1 border).
        length: range of the depth they cover.
        curl: about how much the angle changes along a path, in radians.
    """
    count = len(cell)
    along = np.linspace(0, 1, steps)
    angle = _angles_by_reach(field, cell, rng)[:, None] + rng.normal(0, curl, (count, 1)) * along
    angle = angle + np.cumsum(rng.normal(0, 0.25 * curl / steps**0.5, (count, steps)), axis=1)
    depth = np.clip(rng.uniform(*start, (count, 1)) + rng.uniform(*length, (count, 1)) * along, 0.02, 0.97)
    return field.cells.points(np.repeat(cell[:, None], steps, axis=1), angle, depth)


def wander(points: Floats, rng: Generator, length: float, steps: int, curl: float) -> Floats:
    """Short worm-like paths (M, steps, 2) of `length` micrometres from points (M, 2); `curl` radians of turn per step."""
    count = len(points)
    turn = rng.uniform(0, 2 * np.pi, (count, 1)) + np.cumsum(rng.normal(0, curl, (count, steps - 1)), axis=1)
    stride = length * np.exp(rng.normal(0, 0.3, (count, 1, 1))) / (steps - 1)
    legs = np.cumsum(np.stack([np.cos(turn), np.sin(turn)], axis=-1) * stride, axis=1)
    return np.concatenate([points[:, None], points[:, None] + legs], axis=1)


def microtubules(field: Field) -> Picture:
    """Fine filaments from the nucleus to the border and around the nucleus; spindles and bridges in dividing cells.

    A field always has the same filaments, so a protein on them lies on the red channel.
    """
    rng = np.random.default_rng([field.seed, 14])
    cells = interphase(field)
    share = np.clip(field.cells.areas()[cells] * 0.08 * rng.uniform(0.8, 1.3), 16, 80)
    outward = fibres(field, np.repeat(cells, share.astype(int)), rng, (0.0, 0.5), (0.3, 0.95), 0.7, steps=7)
    around = fibres(field, np.repeat(cells, (share * 0.5).astype(int)), rng, (0.05, 0.9), (-0.3, 0.3), 1.6, steps=7)
    tubes = np.concatenate([outward, around])
    sharp = field.lines(tubes, 0.5 * np.exp(rng.normal(0, 0.45, len(tubes))), 0.2)
    below = field.soften(sharp, 1.3) * field.cytoplasm  # the layers below and above the focus
    return sharp + 1.1 * below + spindles(field, rng) + bridges(field, rng)


def spindles(field: Field, rng: Generator, height: float = 0.2) -> Picture:
    """Two poles and the fibres between them, in cells in metaphase."""
    cells = np.repeat(np.flatnonzero(field.cells.state == METAPHASE), 44)
    axis = field.cells.pole[cells]
    reach = field.cells.outline[cells].mean(axis=1) * 0.62
    along = np.linspace(-1, 1, 9)
    across = rng.normal(0, 0.38, (len(cells), 1)) * np.sqrt(np.clip(1.06 - along**2, 0, 1)) * reach[:, None]
    distance = along * reach[:, None]
    cos, sin = np.cos(axis)[:, None], np.sin(axis)[:, None]
    path = np.stack([cos * distance - sin * across, sin * distance + cos * across], axis=-1)
    return field.lines(field.cells.centres[cells][:, None] + path, height, 0.2)


def bridge_ends(field: Field) -> tuple[Floats, Floats]:
    """The two ends (B, 2) of the bridge of each pair of daughters, near the edges of their nuclei."""
    first = np.flatnonzero(field.cells.sister > np.arange(len(field.cells)))
    second = field.cells.sister[first]
    one, two = field.cells.centres[first], field.cells.centres[second]
    gap = two - one
    reach = np.sqrt((gap**2).sum(axis=1, keepdims=True))
    inner = field.cells.nucleus[first].mean(axis=1, keepdims=True) / reach
    outer = field.cells.nucleus[second].mean(axis=1, keepdims=True) / reach
    return one + gap * (inner + 0.04), two - gap * (outer + 0.04)


def bridges(field: Field, rng: Generator, height: float = 0.5) -> Picture:
    """Bundles of microtubules between daughter cells, with a dark midbody in the middle."""
    one, two = bridge_ends(field)
    halves = [(one, one + 0.47 * (two - one)), (two, two + 0.47 * (one - two))]
    strands = [
        np.stack([start + rng.normal(0, 0.55, start.shape), stop + rng.normal(0, 0.22, stop.shape)], axis=1)
        for start, stop in halves
        for _ in range(6)
    ]
    return field.lines(np.concatenate(strands), height, 0.22)


def _angles_by_reach(field: Field, cell: Ints, rng: Generator) -> Floats:
    """Random directions, more likely where the cell reaches far, so that filaments and puncta fill its area evenly."""
    trial = rng.uniform(0, 2 * np.pi, (2, len(cell)))
    ray = (trial * (field.cells.outline.shape[1] / (2 * np.pi))).astype(int) % field.cells.outline.shape[1]
    room = field.cells.outline[cell, ray] - field.cells.nucleus[cell, ray]
    first = rng.random(len(cell)) * room.sum(axis=0) < room[0]
    return np.asarray(np.where(first, trial[0], trial[1]))
