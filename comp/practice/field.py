"""A field of cells on a pixel grid, and the strokes that draw on it: spots, lines, discs, textures."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from comp.practice.cells import FIELD, Cells, Floats

Picture = NDArray[np.float32]  # (pixels, pixels); a well visible structure is about 1

SHIFT = 4  # OpenCV takes polygon vertices as integers in 1/16 of a pixel
GRAINS_PER_FEATURE = 4.0  # grid points of the noise bank in one wavelength


@lru_cache(maxsize=1)
def _noise_bank() -> Picture:
    """Smooth noise with mean 0, variance 1 and a wavelength of about `GRAINS_PER_FEATURE` grid points."""
    white = np.random.default_rng(28).standard_normal((1536, 1536), dtype=np.float32)
    smooth = cv2.GaussianBlur(white, (0, 0), GRAINS_PER_FEATURE / 3)
    return np.asarray((smooth - smooth.mean()) / smooth.std(), np.float32)


@dataclass
class Field:
    """Cells on a grid of `pixels` x `pixels`.

    Attributes:
        shift: (2,) micrometres that the stage has moved; near-duplicates show the same cells at a small shift.
        nucleoli: (M, 3) x, y and radius.
        seed: of the structures that a reference channel and a protein share.
        averaged: block of pixels, in each direction, that becomes one pixel of the image; strokes need not be finer.
    """

    cells: Cells
    pixels: int
    shift: Floats
    nucleoli: Floats
    seed: int
    averaged: int = 1

    @property
    def scale(self) -> float:
        """Pixels per micrometre."""
        return self.pixels / FIELD

    def _fill(self, polygons: Floats) -> NDArray[np.uint16]:
        canvas = np.zeros((self.pixels, self.pixels), np.uint16)
        for number, polygon in enumerate(self._vertices(polygons), start=1):
            cv2.fillPoly(canvas, [polygon], (number,), shift=SHIFT)
        return canvas

    def _vertices(self, polygons: Floats) -> NDArray[np.int32]:
        return np.round(((polygons - self.shift) * self.scale - 0.5) * 2**SHIFT).astype(np.int32)

    @cached_property
    def nucleus_map(self) -> NDArray[np.uint16]:
        """Number of the cell, from 1, whose nucleus covers a pixel; 0 outside."""
        return self._fill(self.cells.polygons(self.cells.nucleus))

    @cached_property
    def cell_map(self) -> NDArray[np.uint16]:
        """Number of the cell, from 1, that covers a pixel; a nucleus belongs to its cell."""
        cells = self._fill(self.cells.polygons(self.cells.outline))
        return np.where(self.nucleus_map > 0, self.nucleus_map, cells)

    @cached_property
    def nucleus(self) -> Picture:
        return (self.nucleus_map > 0).astype(np.float32)

    @cached_property
    def cytoplasm(self) -> Picture:
        """Thickness of the cell outside its nucleus: 1 near the nucleus, less toward the border; 0 elsewhere."""
        return np.asarray((self.cell_map > 0) & (self.nucleus_map == 0)) * (1 - 0.75 * np.exp(-self.rim / 2.0))

    @cached_property
    def nucleolus(self) -> Picture:
        """1 in nucleoli, with soft edges."""
        return np.clip(1.3 * self.discs(self.nucleoli[:, :2], self.nucleoli[:, 2], 0.35), 0, 1) * self.nucleus

    @cached_property
    def rim(self) -> Picture:
        """Distance in micrometres to the border of the cell; 0 outside cells."""
        inside = self.cell_map
        same = np.ones(inside.shape, np.uint8)
        same[:, 1:] &= inside[:, 1:] == inside[:, :-1]
        same[1:] &= inside[1:] == inside[:-1]
        return self._distance(same & (inside > 0))

    @cached_property
    def nucleus_distance(self) -> Picture:
        """Distance in micrometres to the nearest nucleus; 0 inside nuclei."""
        return self._distance((self.nucleus_map == 0).astype(np.uint8))

    @cached_property
    def depth(self) -> Picture:
        """Distance in micrometres to the edge of the nucleus; 0 outside nuclei."""
        return self._distance((self.nucleus_map > 0).astype(np.uint8))

    def _distance(self, mask: NDArray[np.uint8]) -> Picture:
        if mask.all():
            return np.full(mask.shape, FIELD, np.float32)
        return np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, 3), np.float32) / np.float32(self.scale)

    def per_cell(self, values: Floats, outside: float = 0.0) -> Picture:
        """A value for each cell, spread over its pixels."""
        return np.concatenate([[outside], values]).astype(np.float32)[self.cell_map]

    def texture(self, wavelength: float, rng: Generator) -> Picture:
        """Noise with mean 0 and features of `wavelength` micrometres. Its variance is 1 if the pixels resolve them, else smaller."""
        bank = _noise_bank()
        step = GRAINS_PER_FEATURE / wavelength  # grid points of the bank per micrometre
        corner = rng.uniform(8 * step, len(bank) - (FIELD + 8) * step, 2) + step * self.shift
        where = np.array([[step / self.scale, 0, corner[0]], [0, step / self.scale, corner[1]]])
        noise = cv2.warpAffine(bank, where, (self.pixels, self.pixels), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        return np.asarray(noise, np.float32) * np.float32(min(1.0, wavelength * self.scale / 2.5))

    def soften(self, picture: NDArray[np.floating], sigma: float) -> Picture:
        """Gaussian blur by `sigma` micrometres."""
        if sigma * self.scale < 0.3:
            return np.asarray(picture, np.float32)
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma * self.scale), np.float32)

    def splat(self, points: NDArray[np.floating], weight: NDArray[np.floating]) -> Picture:
        """Sum of `weight` (M,) at points (M, 2), accurate to half a pixel of the image or to 0.1 micrometres."""
        finer = 2 if self.averaged == 1 and self.scale < 10 else 1
        size = self.pixels * finer
        x = ((points[:, 0] - self.shift[0]) * (self.scale * finer)).astype(np.int32)
        y = ((points[:, 1] - self.shift[1]) * (self.scale * finer)).astype(np.int32)
        inside = (x >= 0) & (x < size) & (y >= 0) & (y < size)
        grid = np.bincount((y * size + x)[inside], weight[inside], minlength=size * size).astype(np.float32).reshape(size, size)
        return np.asarray(cv2.resize(grid, (self.pixels, self.pixels), interpolation=cv2.INTER_AREA)) * np.float32(finer**2)

    def spots(self, points: Floats, height: Floats | float, sigma: float) -> Picture:
        """Gaussian spots of `height` (M,) at points (M, 2). Spots that the pixels do not resolve are dimmer, as under a microscope."""
        area = 2 * np.pi * (sigma * self.scale) ** 2
        return self.soften(self.splat(points, np.broadcast_to(np.asarray(height, np.float32) * area, len(points))), sigma)

    def lines(self, paths: Floats, height: Floats | float, sigma: float) -> Picture:
        """Smooth lines of `height` (F,) and width `sigma` along paths (F, S, 2)."""
        if not len(paths):
            return np.zeros((self.pixels, self.pixels), np.float32)
        start = paths[:, :-1].astype(np.float32)
        leg = np.diff(paths.astype(np.float32), axis=1)
        length = np.hypot(leg[..., 0], leg[..., 1]) * np.float32(self.scale)  # (F, S - 1) pixels
        steps = max(1, int(np.ceil(np.quantile(length, 0.9) / max(self.averaged, sigma * self.scale))))
        stroke = np.broadcast_to(np.asarray(height, np.float32), len(paths)) * (np.sqrt(2 * np.pi) * sigma * self.scale / steps)
        weight = (stroke[:, None] * length).ravel()
        dabs = np.concatenate([(start + leg * np.float32((step + 0.5) / steps)).reshape(-1, 2) for step in range(steps)])
        return self.soften(self.splat(dabs, np.tile(weight, steps)), sigma)

    def discs(self, points: Floats, radius: Floats, edge: float) -> Picture:
        """Filled discs of height 1, with an edge blurred by `edge` micrometres."""
        canvas = np.zeros((self.pixels, self.pixels), np.uint8)
        turn = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        ring = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
        for polygon in self._vertices(points[:, None] + radius[:, None, None] * ring):
            cv2.fillPoly(canvas, [polygon], (255,), cv2.LINE_AA, SHIFT)
        return self.soften(canvas.astype(np.float32) / 255, edge)
