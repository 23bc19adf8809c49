"""Bags: what is known of the cells of each image, one image after the other."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.images.input_channels import Images


@dataclass(frozen=True)
class CropPlan:
    """Which crops are made of an image.

    Attributes:
        size: of a crop, in its pixels.
        cells: how many at most; those that lie farthest from the border of the image.
        span: side of what a crop shows, in median diameters of the image's nuclei. It is the same for all cells of an image.
    """

    size: int
    cells: int
    span: float

    @property
    def name(self) -> str:
        return f"{self.size}px-{self.cells}-{self.span:g}"


class Bags:
    """What is known of each cell, as bags (cells, ...), 0 after an image's last cell. `bags[rows]` reads copies (B, cells, ...).

    Args:
        items: (M, ...) of the cells of all images, one image after the other: crops (M, S, S, C), or features of crops (M, D).
        first, count: (N,) where the cells of an image begin, and how many there are.
        cells: places in a bag.
    """

    def __init__(self, items: Images | NDArray[Any], first: NDArray[np.int64], count: NDArray[np.int64], cells: int) -> None:
        self.items, self.first, self.count = items, first, count
        self.shape = (len(first), cells, *items.shape[1:])

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        """Copies of some bags.

        Raises:
            DataError: the file is damaged or cut off.
            IndexError: there is no such row.
        """
        chosen = np.arange(len(self))[rows]
        wanted = np.atleast_1d(chosen)
        taken = self.items[self.places(wanted)]
        found = np.zeros((len(wanted), *self.shape[1:]), taken.dtype)
        found[self.in_use(wanted)] = taken
        return found if chosen.ndim else found[0]

    def in_use(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(len(rows), cells) which places of the bags hold a cell."""
        return np.arange(self.shape[1]) < self.count[rows, None]

    def places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where in `items` the cells of some images are, one image after the other."""
        return np.concatenate([np.arange(self.first[row], self.first[row] + self.count[row]) for row in rows] or [np.empty(0, np.int64)])

    def with_items(self, items: NDArray[Any]) -> "Bags":
        """The same bags of other items (M, ...)."""
        return Bags(items, self.first, self.count, self.shape[1])
