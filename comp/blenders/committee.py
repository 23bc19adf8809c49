"""A committee: the mean of the logits of several blenders."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp import parts
from comp.errors import ConfigError
from comp.rows import Rows


class Committee:
    def __init__(self, members: list[Any]) -> None:
        self.members = members

    def fit(self, rows: Rows) -> list[Any]:
        return [member.fit(rows) for member in self.members]

    def predict(self, state: list[Any], rows: Rows) -> NDArray[np.float64]:
        predicted = [member.predict(fitted, rows) for member, fitted in zip(self.members, state, strict=True)]
        return np.mean(predicted, axis=0)


def build(of: list[dict[str, Any]]) -> Committee:
    if not of:
        raise ConfigError("blenders.committee: nobody is in it", "name some, as in of: [{name: greedy}, {name: convex}]")
    return Committee([parts.build("blenders", spec) for spec in of])
