"""The same given probability for every class; what the others have to beat."""

from typing import Annotated

import numpy as np
from annotated_types import Gt, Lt
from numpy.typing import NDArray

from comp.cuts import NEVER
from comp.metrics import logit
from comp.rows import Rows


class Fixed:
    def __init__(self, at: float) -> None:
        self.threshold = logit(np.array(at))

    def fit(self, rows: Rows) -> NDArray[np.float64]:
        return np.where(rows.known_labels.any(axis=0), self.threshold, NEVER)


def build(at: Annotated[float, Gt(0), Lt(1)] = 0.5) -> Fixed:
    return Fixed(at)
