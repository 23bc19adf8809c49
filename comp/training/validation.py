"""When a network is validated while it trains, and on which rows: a look at the held-out fold, for the eye only.

Nothing is chosen by it. A checkpoint chosen by the score of the fold that it is judged on would make that score too good.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHARE = 0.1  # validated images at most, of those trained on; a forward pass takes about a third of a training step
FEWEST = 200  # rows each time, if the fold has as many: fewer say little


@dataclass(frozen=True, eq=False)
class ValidationPlan:
    """The steps after which a network is validated, and the rows, which are the same each time.

    Attributes:
        rows: (n,) rows of the train table.
    """

    steps: frozenset[int]
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, times: int, steps: int, batch_size: int, held_out: NDArray[np.int64]) -> "ValidationPlan":
        """Evenly spaced steps, the last one included, and evenly spaced rows of the `held_out` ones (N,).

        All validations together take at most a tenth of the images that `steps` steps train on. Where a run is too short for `times`
        validations of 200 rows, there are fewer of them, or none.
        """
        budget = int(SHARE * steps * batch_size)
        times = min(times, steps, budget // max(min(len(held_out), FEWEST), 1)) if len(held_out) else 0
        if times == 0:
            return cls(frozenset(), held_out[:0])
        count = min(len(held_out), budget // times)
        after = frozenset(round(steps * (number + 1) / times) for number in range(times))
        return cls(after, held_out[np.arange(count) * len(held_out) // count])
