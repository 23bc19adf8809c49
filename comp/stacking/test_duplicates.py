"""Near-duplicates among the test images, which all get the mean of their predictions: see `comp.stacking.averaged_copies`."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import DataError
from comp.base.paths import Paths
from comp.competition.competition import Competition
from comp.images.duplicates import components, read_pairs


def test_duplicates(paths: Paths, ids: Sequence[str]) -> NDArray[np.int64]:
    """(T,) numbers of the test images, equal for near-duplicates; all different if there is no list of duplicates.

    The list is a CSV with columns id_a and id_b next to the image cache. `make folds` writes it; it can also be made by hand.

    Raises:
        DataError: the list is damaged, or names an id that is not in `ids`.
    """
    path = paths.test_duplicates()
    if not path.exists():
        return np.arange(len(ids))
    again = f"remove it, then: make folds COMP={paths.competition}"
    try:
        return np.unique(components(ids, read_pairs(path, again)), return_inverse=True)[1]
    except DataError as error:
        what = error.what if str(path) in error.what else f"{path}: {error.what}"
        raise DataError(what, again) from None


def what_is_averaged(competition: Competition, paths: Paths, groups: NDArray[np.int64]) -> str | None:
    """A line on near-duplicates: how many test images are averaged with others, or that nobody looked for them; None if there are none.

    Args:
        groups: (T,) as `test_duplicates` returns them.
    """
    path = paths.test_duplicates()
    if copies := len(groups) - len(np.unique(groups)):
        return f"{path}: {copies} of {len(groups)} test images copy others, and get mean predictions with them"
    if competition.images and competition.folds.duplicates and not path.exists():
        what = f"note: there is no {path}, so near-duplicates among the test images are not averaged"
        return f"{what}; make it: make folds COMP={paths.competition}"
    return None
