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


def known_share(known: Floats, new: Floats, test: Floats, seed: int = 0) -> Estimate:
    """The share of known ones among the test images, 0 to 1, by the least squared distance of distribution functions.

    Args:
        known, new: (A,) and (B,) similarity of held-out images, of known and of new antibodies, to the nearest image trained on.
        test: (T,) that of the test images.

    Returns:
        NaN where there are none of a kind; the error is a bootstrap's over the images.
    """
    if not (len(known) and len(new) and len(test)):
        return Estimate(np.nan, np.nan)
    generator = np.random.default_rng(seed)
    drawn = [_share(*(generator.choice(each, len(each)) for each in (known, new, test))) for _ in range(DRAWS)]
    return Estimate(_share(known, new, test), float(np.std(drawn)))


def _share(known: Floats, new: Floats, test: Floats) -> float:
    at = np.unique(np.concatenate([known, new, test]))
    below = [np.searchsorted(np.sort(each), at, side="right") / len(each) for each in (known, new, test)]
    apart, from_new = below[1] - below[0], below[1] - below[2]
    square = float(apart @ apart)
    return float(np.clip(apart @ from_new / square, 0, 1)) if square else np.nan
