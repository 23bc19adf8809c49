"""Which images a model was trained on and predicted: a checksum of the pixels of each, and what has changed since."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from comp.base.errors import PredictionError
from comp.base.files import hash_of
from comp.base.paths import Paths
from comp.competition.image_cache import SPLITS
from comp.images.cache import Cache
from comp.images.crops import CropCache
from comp.predictions.sealed_table import read_sealed, write_sealed

KEY = b"comp images"  # the key in the file's metadata
COLUMNS = pa.schema([("split", pa.string()), ("id", pa.string()), ("checksum", pa.uint64())])
NAMED = 3  # images that a message names

Levels = tuple[float, float] | None


@dataclass(frozen=True)
class ImageIdentity:
    """The pixels that a network saw.

    Attributes:
        size: in pixels.
        channels: the competition's, in their order.
        levels: the stored values of black and white, if the competition's YAML gives them.
        checksums: "train", "test", then a set of extra rows if there is one -> id -> checksum of its pixels.
        crops: of a network that saw crops of cells: the name of their `CropPlan`; else "".
    """

    size: int
    channels: tuple[str, ...]
    levels: Levels
    checksums: Mapping[str, Mapping[str, int]]
    crops: str = ""

    @classmethod
    def of(cls, caches: Mapping[str, Cache | CropCache]) -> "ImageIdentity":
        """The identity of the images in the caches of "train", "test" and a set of extra rows, if there is one."""
        first = caches[SPLITS[0]]
        known = {split: dict(zip(cache.ids, cache.records["checksum"].tolist(), strict=True)) for split, cache in caches.items()}
        return cls(first.size, tuple(first.channels), first.levels, known, first.plan.name if isinstance(first, CropCache) else "")

    @cached_property
    def hash(self) -> str:
        """16 hexadecimal digits. They change with the pixels of any image, ids, channels or the size, not with the order of the rows."""
        crops = [self.crops] if self.crops else []
        return hash_of([self.size, self.channels, *(sorted(known.items()) for known in self.checksums.values()), *crops])

    def keep(self, paths: Paths) -> None:
        """Write it to the file of its hash, unless that is there and whole. So a later change can be named."""
        if read_identity(paths, self.hash) is not None:
            return
        rows = [(split, image_id, value) for split, known in self.checksums.items() for image_id, value in sorted(known.items())]
        crops = {"crops": self.crops} if self.crops else {}
        about = json.dumps({"size": self.size, "channels": self.channels, "levels": self.levels, **crops}).encode()
        columns = [list(column) for column in zip(*rows, strict=True)]
        write_sealed(paths.images(self.hash), pa.table(columns, COLUMNS.with_metadata({KEY: about})))


def read_identity(paths: Paths, images: str) -> ImageIdentity | None:
    """The identity with this hash, as `ImageIdentity.keep` wrote it; None if its file is missing, damaged or of other images."""
    try:
        table = read_sealed(paths.images(images), "")
        about = json.loads((table.schema.metadata or {})[KEY])
        checksums: dict[str, dict[str, int]] = {split: {} for split in SPLITS}
        for split, image_id, value in zip(*(column.to_pylist() for column in table.columns), strict=True):
            checksums.setdefault(split, {})[image_id] = value
        levels = tuple(about["levels"]) if about["levels"] else None
        found = ImageIdentity(about["size"], tuple(about["channels"]), levels, checksums, about.get("crops", ""))
        return found if found.hash == images else None
    except (PredictionError, KeyError, TypeError, ValueError, RecursionError):
        return None


def changes(before: ImageIdentity, now: ImageIdentity) -> str:
    """What differs, e.g. "2 train images differ: a, b"; empty if nothing does."""
    found = []
    for what in ("channels", "size", "levels", "crops"):
        if getattr(before, what) != getattr(now, what):
            found.append(f"{what} before: {_listed(getattr(before, what))}; now: {_listed(getattr(now, what))}")
    if not found:
        for split in {**before.checksums, **now.checksums}:
            old, new = before.checksums.get(split, {}), now.checksums.get(split, {})
            if differing := sorted(image_id for image_id in {*old, *new} if old.get(image_id) != new.get(image_id)):
                more = ", ..." if len(differing) > NAMED else ""
                images = f"{split} image differs" if len(differing) == 1 else f"{split} images differ"
                found.append(f"{len(differing)} {images}: {', '.join(differing[:NAMED])}{more}")
    return "; ".join(found)


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
