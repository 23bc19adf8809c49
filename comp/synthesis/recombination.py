"""The protein channel of a new field: a training image deformed, with cells of other images of the same labels in the place of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from comp.synthesis.deformation import Deformation, deformed

TRIED = 8  # cells that are looked at for each place; the one of the nearest area is taken
MOST_STRETCH = 1.6  # of a cell along either axis
MOST_GAIN = 2.0  # between the brightness of two images
SMALLEST = 12  # pixels of a cell
SOFT = 0.012  # standard deviation of the soft edge of a cell, as a share of the shorter side

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CellField:
    """The protein channel of an image, its cells, and what follows its deformation.

    Attributes:
        green: (H, W) uint8.
        cells: (H, W) the number of the cell that covers a pixel, 0 outside cells.
        follows: (H, W, R) any planes, such as what a network could not draw of the R reference channels.
    """

    green: NDArray[np.uint8]
    cells: NDArray[np.uint16]
    follows: NDArray[np.float32]

    @cached_property
    def shapes(self) -> "Shapes":
        return Shapes.of(self.cells)

    @cached_property
    def brightness(self) -> float:
        """Mean grey level in cells; 0 if there are none."""
        inside = self.cells > 0
        return float(self.green[inside].mean()) if inside.any() else 0.0


@dataclass(frozen=True, eq=False)
class Shapes:
    """The K cells that lie whole in an image, as ellipses of the same moments.

    Attributes:
        number: (K,) in the map of the cells.
        area: (K,) pixels.
        centre: (K, 2) x and y.
        axes: (K, 2, 2) unit vectors of the short and the long axis, as columns.
        length: (K, 2) standard deviation of the pixels along each of them.
        box: (K, 4) left, top, right and bottom, the last two outside.
    """

    number: NDArray[np.int64]
    area: Floats
    centre: Floats
    axes: Floats
    length: Floats
    box: NDArray[np.int64]

    @classmethod
    def of(cls, cells: NDArray[np.uint16]) -> "Shapes":
        """Cells that touch the border are left out: their shape is not known. So are tiny ones."""
        y, x = np.nonzero(cells)
        own = cells[y, x].astype(np.int64)
        edge = np.unique(np.concatenate([cells[0], cells[-1], cells[:, 0], cells[:, -1]]))
        count = np.bincount(own)
        kept = np.setdiff1d(np.flatnonzero(count >= SMALLEST), edge)
        area = count[kept].astype(np.float64)
        sums = [np.bincount(own, values, minlength=len(count))[kept] for values in (x, y, x * x, x * y, y * y)]
        mean_x, mean_y, xx, xy, yy = (each / area for each in sums)
        covariance = np.stack([xx - mean_x**2, xy - mean_x * mean_y, xy - mean_x * mean_y, yy - mean_y**2], axis=-1).reshape(-1, 2, 2)
        variance, axes = np.linalg.eigh(covariance)
        place = np.full(len(count), -1)
        place[kept] = np.arange(len(kept))
        low, high = np.full((len(kept), 2), 1 << 30), np.full((len(kept), 2), -1)
        where = place[own]
        inside = where >= 0
        for axis, values in enumerate((x, y)):
            np.minimum.at(low[:, axis], where[inside], values[inside])
            np.maximum.at(high[:, axis], where[inside], values[inside])
        box = np.concatenate([low, high + 1], axis=1)
        return cls(kept, area, np.stack([mean_x, mean_y], axis=1), axes, np.sqrt(np.maximum(variance, 0.25)), box)

    def __len__(self) -> int:
        return len(self.number)


def recombined(base: CellField, donors: Sequence[CellField], generator: np.random.Generator, share: float = 0.8) -> CellField:
    """A new field: `base` deformed, and a share of its cells replaced by cells of the donors.

    Cells that lie whole in both the base and the new field are replaced. A donor's cell is turned, mirrored and stretched so that its
    ellipse becomes that of the place. Cells that would have to be stretched too far are not taken. The brightness of each donor is matched
    to that of the base. The planes that follow are those of the base, deformed.

    Args:
        donors: fields with the same labels; the base itself may be one of them.
    """
    bent, cells = deformed(np.dstack([base.green, base.follows]).astype(np.float32), base.cells, Deformation(), generator)
    planes = np.atleast_3d(bent)  # OpenCV drops the axis of a single plane
    result, follows = planes[..., 0].copy(), planes[..., 1:]
    places = Shapes.of(np.where(np.isin(cells, base.shapes.number), cells, 0).astype(np.uint16))  # those that the image has whole
    known = [(donor, row) for donor in donors for row in range(len(donor.shapes))]
    areas = np.array([donor.shapes.area[row] for donor, row in known])
    soft = SOFT * min(cells.shape)
    for place in range(len(places) if known else 0):
        if generator.random() >= share:
            continue
        tried = generator.integers(len(known), size=TRIED)
        donor, row = known[tried[np.abs(np.log(areas[tried] / places.area[place])).argmin()]]
        flips = generator.choice([-1.0, 1.0], 2)
        stretch = places.length[place] / donor.shapes.length[row]
        if max(stretch.max(), 1 / stretch.min()) > MOST_STRETCH:
            continue
        matrix = places.axes[place] @ np.diag(stretch * flips) @ donor.shapes.axes[row].T
        gain = np.clip(base.brightness / max(donor.brightness, 1e-6), 1 / MOST_GAIN, MOST_GAIN)
        _put(result, cells, (places, place), (donor, row), (matrix, float(gain), soft))
    return CellField(np.clip(np.rint(result), 0, 255).astype(np.uint8), cells, follows)


def _put(
    picture: NDArray[np.float32],
    cells: NDArray[np.uint16],
    place: tuple[Shapes, int],
    donor: tuple[CellField, int],
    how: tuple[Floats, float, float],
) -> None:
    """Put a cell of a donor into a place of the picture (H, W), with a soft edge.

    Args:
        how: the matrix (2, 2) from the donor's pixels to the picture's, the gain, and the standard deviation of the edge in pixels.
    """
    (shapes, number), (field, row), (matrix, gain, soft) = place, donor, how
    rim = int(np.ceil(2 * soft))
    height, width = cells.shape
    left, top = np.maximum(shapes.box[number, :2] - rim, 0)
    right, bottom = np.minimum(shapes.box[number, 2:] + rim, (width, height))
    window = np.s_[top:bottom, left:right]
    shift = shapes.centre[number] - (left, top) - matrix @ field.shapes.centre[row]
    moved = cv2.warpAffine(
        field.green, np.column_stack([matrix, shift]), (int(right - left), int(bottom - top)), borderMode=cv2.BORDER_REFLECT_101
    )
    mask = (cells[window] == shapes.number[number]).astype(np.float32)
    alpha = cv2.GaussianBlur(mask, (0, 0), soft) if soft > 0.3 else mask
    picture[window] += alpha * (np.float32(gain) * moved - picture[window])
