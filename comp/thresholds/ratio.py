"""As many rows are predicted as a share of them says: given shares, as of a test set one knows about, else the labels' own."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from annotated_types import Gt, Le
from numpy.typing import NDArray
from pydantic import FiniteFloat, NonNegativeInt

from comp.cuts import NEVER, midpoints
from comp.errors import ConfigError
from comp.rows import Rows

Share = Annotated[float, Gt(0), Le(1)]


class Ratio:
    """The threshold lies midway between the last row of the share and the next; rows that tie with the last belong to it.

    Args:
        ratios: share of the rows to predict, by the number of the class; classes it does not name are estimated.
        factor: times the share of the rows that have the class, where that estimates it.
    """

    def __init__(self, ratios: Mapping[int, float], factor: float) -> None:
        self.ratios = ratios
        self.factor = factor

    def fit(self, rows: Rows) -> NDArray[np.float64]:
        """Raises ConfigError where `ratios` names a class that there is not."""
        scores, shares = np.sort(rows.logits[0], axis=0), np.minimum(rows.known_labels.mean(axis=0) * self.factor, 1)
        for column, share in self.ratios.items():
            if column >= len(shares):
                raise ConfigError(f"thresholds.ratio: ratios name class {column}", f"number the classes 0 to {len(shares) - 1}")
            shares[column] = share
        thresholds = np.full(len(shares), NEVER)
        for column, (share, ordered) in enumerate(zip(shares, scores.T, strict=True)):
            if share > 0:
                last = len(ordered) - max(round(share * len(ordered)), 1)
                thresholds[column] = midpoints(ordered[[last]].astype(np.float64), ordered)[0]
        return thresholds


def build(ratios: dict[NonNegativeInt, Share] | None = None, factor: Annotated[FiniteFloat, Gt(0)] = 1.0) -> Ratio:
    return Ratio(ratios or {}, factor)
