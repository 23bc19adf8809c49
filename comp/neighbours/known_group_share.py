"""The share of test images whose group (antibody) occurs in training, estimated from their similarity to the training images.

Held-out images show how near the nearest training image is if the antibody is known, and if it is new. The similarities of the test
images are a mixture of these two distributions. The estimate is the share of known ones for which the mixture fits best.

The estimate assumes that test images of known antibodies look like held-out ones. A known antibody can look new, e.g. in a well without
any training image. The estimate is too low if this is more frequent in the test set than among held-out images, too high if it is rarer.
"""

import numpy as np
from numpy.typing import NDArray

from comp.metrics.bootstrap import Estimate

Floats = NDArray[np.float64]
DRAWS = 500  # of the bootstrap


def known_group_share(
    held_out: Floats, known: NDArray[np.bool_], groups: NDArray[np.int64], test: Floats, seed: int = 0
) -> Estimate | None:
    """The share of test images of known groups, 0 to 1: the least squared distance between distribution functions.

    The standard error is a bootstrap's, which resamples whole groups and test images.

    Args:
        held_out: (N,) similarity of each held-out image to the nearest image its network was trained on.
        known: (N,) whether the network was trained on the image's group.
        groups: (N,) equal for images of one group.
        test: (T,) similarity of each test image to the nearest image the network was trained on.

    Returns:
        None if there are no known, no new or no test images, or if known and new ones are equally near.
    """
    if not (known.any() and not known.all() and len(test)):
        return None
    share = _share(held_out[known], held_out[~known], test)
    generator = np.random.default_rng(seed)
    kinds = [_by_group(held_out[some], groups[some]) for some in (known, ~known)]
    resampled = []
    for _ in range(DRAWS):
        of_known, of_new = (np.concatenate([each[one] for one in generator.integers(len(each), size=len(each))]) for each in kinds)
        resampled.append(_share(of_known, of_new, generator.choice(test, len(test))))
    return Estimate(share, float(np.nanstd(resampled))) if np.isfinite(share) else None


def _by_group(values: Floats, groups: NDArray[np.int64]) -> list[Floats]:
    order = np.argsort(groups, kind="stable")
    return np.split(values[order], np.flatnonzero(np.diff(groups[order])) + 1)


def _share(known: Floats, new: Floats, test: Floats) -> float:
    at = np.unique(np.concatenate([known, new, test]))
    below = [np.searchsorted(np.sort(each), at, side="right") / len(each) for each in (known, new, test)]
    apart, from_new = below[1] - below[0], below[1] - below[2]
    square = float(apart @ apart)
    return float(np.clip(apart @ from_new / square, 0, 1)) if square else np.nan
