"""The mean of several rules' thresholds, in logits: their errors differ, so they partly cancel."""

from typing import Annotated, Any

import numpy as np
from annotated_types import MinLen
from numpy.typing import NDArray

from comp import parts
from comp.rows import Rows


class Committee:
    """A class that any of the rules never predicts is never predicted."""

    def __init__(self, rules: list[Any]) -> None:
        self.rules = rules

    def fit(self, rows: Rows) -> NDArray[np.float64]:
        return np.mean([rule.fit(rows) for rule in self.rules], axis=0)


Specs = Annotated[tuple[dict[str, Any], ...], MinLen(1)]
USUAL: Specs = ({"name": "smoothed"}, {"name": "plugin", "calibrator": "isotonic"}, {"name": "ratio"})


def build(of: Specs = USUAL) -> Committee:
    return Committee([parts.build("thresholds", spec) for spec in of])
