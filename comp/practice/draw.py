"""Drawing one row of the practice tables: cells, stains, protein, microscope."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from comp.practice import stains
from comp.practice.catalogue import CELL_LINES, CYTOKINETIC_BRIDGE, MITOTIC_SPINDLE
from comp.practice.cells import INTERPHASE, Cells, Floats, grow
from comp.practice.field import Field
from comp.practice.microscope import expose, plan
from comp.practice.organelles import green

FINE = 256  # pixels; smaller images are drawn at twice their size, then averaged


@dataclass(frozen=True)
class Scene:
    """The settings that determine an image. Images with the same seed of a kind have the same property.

    Attributes:
        labels: numbers of the structures that contain the protein.
        cell_line: a key of `CELL_LINES`.
        antibody: seed of the staining.
        well: seed of density and exposure.
        field: seed of the cells; near-duplicates share it.
        take: seed of noise, shift and the small differences between two images of the same cells.
        faint: the protein is almost invisible.
        moved: shift of a near-duplicate (x, y) in micrometres.
    """

    labels: tuple[int, ...]
    cell_line: str
    antibody: int
    well: int
    field: int
    take: int
    faint: bool = False
    moved: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Drawn:
    """An image (size, size, 4), red, green, blue, yellow; masks (size, size) in which a cell and its nucleus have the same number."""

    image: NDArray[np.uint8]
    nuclei: NDArray[np.uint16]
    cells: NDArray[np.uint16]


def draw_field(scene: Scene, size: int) -> Drawn:
    """Draw a scene at `size` pixels. The same scene at another size shows the same cells."""
    layout = np.random.default_rng(scene.field)
    well = np.random.default_rng(scene.well)
    antibody = np.random.default_rng(scene.antibody)
    take = np.random.default_rng(scene.take)

    spindles = int(layout.integers(1, 4)) if MITOTIC_SPINDLE in scene.labels else 0
    bridges = int(layout.integers(1, 4)) if CYTOKINETIC_BRIDGE in scene.labels else 0
    line = CELL_LINES[scene.cell_line].scaled(float(np.exp(well.normal(0, 0.12))))
    cells = grow(line, layout, float(well.uniform(0.4, 1.2)), spindles, bridges)
    factor = 2 if size < FINE else 1
    field = Field(cells, size * factor, np.array(scene.moved), _nucleoli(cells, line.nucleoli, layout), scene.field, factor)

    pictures = [
        stains.red(field, layout),
        green(field, scene.labels, scene.antibody, layout),
        stains.blue(field, layout),
        stains.yellow(field, layout),
    ]
    remains, shares = stains.debris(field, layout), layout.uniform(0.1, 1.0, len(pictures))
    if remains.any():
        pictures = [picture + np.float32(share) * remains for picture, share in zip(pictures, shares, strict=True)]
    intensity = float(np.clip(95 * np.exp(antibody.normal(0, 0.5)), 25, 230))
    image = expose(field, pictures, size, plan(well, take, scene.faint, intensity), take)
    middle = np.s_[factor // 2 :: factor, factor // 2 :: factor]
    return Drawn(image, field.nucleus_map[middle], field.cell_map[middle])


def _nucleoli(cells: Cells, mean: float, rng: Generator) -> Floats:
    """(M, 3): x, y and radius of the nucleoli."""
    host = np.repeat(np.arange(len(cells)), np.clip(rng.poisson(mean, len(cells)), 1, 7))
    host = host[cells.state[host] == INTERPHASE]
    place = cells.points(host, rng.uniform(0, 2 * np.pi, len(host)), -1 + 0.62 * np.sqrt(rng.random(len(host))))
    radius = np.clip(rng.normal(1.35, 0.4, len(host)), 0.6, 2.4) * (cells.nucleus[host].mean(axis=1) / 7.5)
    return np.column_stack([place, radius])
