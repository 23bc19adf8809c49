"""How many test images show something that training images show too, such as an antibody: estimated from how near they are.

Held-out images tell how near the nearest training image is where the antibody is known, and where it is new. The test images'
distribution is a mixture of the two; its share of known ones is what brings the mixture nearest to it. A known antibody that looks new,
as in a well of which no image was trained on, counts as known only as often as among the held-out images: the share is that of test
images which neighbours serve as they serve held-out images of known antibodies.
"""

import numpy as np
from numpy.typing import NDArray

from comp.resampling import Estimate

Floats = NDArray[np.float64]
DRAWS = 500


def known_share(held_out: Floats, known: NDArray[np.bool_], groups: NDArray[np.int64], test: Floats, seed: int = 0) -> Estimate | None:
    """The share of known ones among the test images, 0 to 1, by the least squared distance of distribution functions.

    Args:
        held_out: (N,) similarity of held-out images to the nearest image trained on.
        known: (N,) whether their antibody (group) was trained on; `groups` (N,) is equal for images of one.
        test: (T,) that of the test images.

    Returns:
        None where there are none of a kind, or both kinds are equally near; the error is a bootstrap's over groups and over test images.
    """
    if not (known.any() and not known.all() and len(test)):
        return None
    share = _share(held_out[known], held_out[~known], test)
    generator = np.random.default_rng(seed)
    kinds = [_by_group(held_out[some], groups[some]) for some in (known, ~known)]
    drawn = []
    for _ in range(DRAWS):
        of_known, of_new = (np.concatenate([each[one] for one in generator.integers(len(each), size=len(each))]) for each in kinds)
        drawn.append(_share(of_known, of_new, generator.choice(test, len(test))))
    return Estimate(share, float(np.nanstd(drawn))) if np.isfinite(share) else None


def _by_group(values: Floats, groups: NDArray[np.int64]) -> list[Floats]:
    order = np.argsort(groups, kind="stable")
    return np.split(values[order], np.flatnonzero(np.diff(groups[order])) + 1)


def _share(known: Floats, new: Floats, test: Floats) -> float:
    at = np.unique(np.concatenate([known, new, test]))
    below = [np.searchsorted(np.sort(each), at, side="right") / len(each) for each in (known, new, test)]
    apart, from_new = below[1] - below[0], below[1] - below[2]
    square = float(apart @ apart)
    return float(np.clip(apart @ from_new / square, 0, 1)) if square else np.nan
