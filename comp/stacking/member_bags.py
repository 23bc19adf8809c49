"""Random subsets of the models, for blenders that are fitted with members dropped at random."""

from collections.abc import Sequence
from math import ceil
from typing import Annotated

import numpy as np

from comp.base.between import Between

Share = Annotated[float, Between(above=0, most=1)]


def member_bags(models: Sequence[str], bags: int, fraction: float, seed: int) -> list[tuple[str, ...]]:
    """`bags` random subsets with a `fraction` of the models, at least one; the same subset may come more than once."""
    rng, count = np.random.default_rng(seed), len(models)
    chosen = (sorted(rng.choice(count, ceil(fraction * count), replace=False)) for _ in range(bags))
    return [tuple(models[number] for number in bag) for bag in chosen]
