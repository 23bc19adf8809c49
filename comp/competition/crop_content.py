"""What a crop cache of a competition's images is to hold, by their files; no image is read for it."""

import numpy as np
from numpy.typing import NDArray

from comp.base.paths import Paths
from comp.competition.competition import Competition
from comp.competition.image_cache import image_files
from comp.images.bags import CropPlan
from comp.images.cache_sources import CacheContent
from comp.images.crops import CropContent


def crop_content(competition: Competition, paths: Paths, split: str, plan: CropPlan) -> CropContent:
    """The crops of a split ("train" or "test") as they are now.

    Raises:
        DataError: the competition has no images, or the split has no table or an empty one.
        OSError: an image's file is missing.
    """
    images = competition.images
    assert images is not None
    ids = tuple(image_files(competition, paths, split))
    return CropContent(plan, ids, images.channels, images.levels, image_stamps(competition, paths, split))


def image_stamps(competition: Competition, paths: Paths, split: str) -> NDArray[np.uint64]:
    """(N,) numbers that change with the files of an image.

    Raises:
        DataError, OSError: as `crop_content`.
    """
    images = competition.images
    assert images is not None
    return CacheContent(image_files(competition, paths, split), 0, images.channels, images.levels).stamps()
