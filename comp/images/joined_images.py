"""The images of two caches as one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.images.input_channels import Images


class JoinedImages:
    """Images (N, H, W, C), then further ones (M, H, W, C), as (N + M, H, W, C). Rows are read when they are taken, as copies."""

    def __init__(self, first: Images, second: Images) -> None:
        if first.shape[1:] != second.shape[1:]:
            raise ValueError(f"images of {first.shape[1:]} and {second.shape[1:]} cannot be joined")
        self.first, self.second = first, second
        self.shape = (len(first) + len(second), *first.shape[1:])
        self._every = np.arange(self.shape[0])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any, /) -> NDArray[np.uint8]:
        chosen = self._every[rows]
        wanted = np.atleast_1d(chosen)
        later = wanted >= len(self.first)
        found = np.empty((len(wanted), *self.shape[1:]), np.uint8)
        if not later.all():
            found[~later] = self.first[wanted[~later]]
        if later.any():
            found[later] = self.second[wanted[later] - len(self.first)]
        return found if chosen.ndim else found[0]
