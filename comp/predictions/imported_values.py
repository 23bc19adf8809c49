"""The values of imported predictions: probabilities or logits, never mistaken for each other."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import PredictionError
from comp.base.progress import say
from comp.competition.competition import Competition
from comp.predictions.table_file import shown

ROUNDING = 1e-6  # a probability may lie so far outside [0, 1]


def checked_values(
    path: Path, ids: Sequence[str], values: NDArray[np.float64], competition: Competition, logits: bool
) -> NDArray[np.float64]:
    """Logits as they are, or probabilities clipped to [0, 1].

    Args:
        ids: of the rows of `values` (N, C).

    Raises:
        PredictionError: a value is not finite, or not a probability; all are 0 or 1; or logits all lie in [0, 1].
    """

    def first(bad: NDArray[np.bool_]) -> str:
        row, column = np.argwhere(bad)[0]
        more = "" if bad.sum() == 1 else f" ({bad.sum():,} such values)"
        return f"{path} holds {float(values[row, column])!r} for id {shown(ids[row])}, class {competition.classes[column]!r}{more}"

    if (bad := ~np.isfinite(values)).any():
        raise PredictionError(first(bad), "correct it: every row needs a finite number for every class")
    if np.isin(values, (0, 1)).all():
        columns = f"{competition.columns.id},{competition.columns.predicted}"
        then = f"give the probabilities or logits behind them; those of test images can vote as a label file, TEST=file.csv with {columns}"
        raise PredictionError(f"{path} holds decisions, only 0 and 1", then)
    if logits:
        if ((values >= 0) & (values <= 1)).all():
            what = f"{path} was given as logits, but every value lies in [0, 1], as probabilities do"
            raise PredictionError(what, "leave out --logits (make: LOGITS=1)")
        return values
    if (bad := (values < -ROUNDING) | (values > 1 + ROUNDING)).any():
        percent = "; divide percent by 100" if values.min() >= 0 and values.max() <= 100 else ""
        raise PredictionError(first(bad), f"give probabilities, or say that these are logits with --logits (make: LOGITS=1){percent}")
    clipped = np.clip(values, 0.0, 1.0)
    if (beyond := clipped != values).any():
        say(f"{first(beyond)}: clipped to [0, 1], it is rounding, of at most {ROUNDING:g}")
    return clipped
