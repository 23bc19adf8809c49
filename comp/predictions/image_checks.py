"""Whether the images that a model was trained on are still those of the competition. No image is read for it, unless its files changed."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from comp.base.errors import DataError, PredictionError
from comp.base.paths import Paths
from comp.base.progress import say
from comp.competition.competition import Competition
from comp.competition.crop_content import crop_content
from comp.competition.image_cache import SPLITS, image_files, prepare_cache
from comp.images.cache import read_index
from comp.images.crops import CropCache, open_crops
from comp.predictions.image_identity import ImageIdentity, changes, read_identity
from comp.predictions.provenance import Provenance


@dataclass
class PresentImages:
    """The competition's images as they are now, by size and splits, or by crop plan of models that see cells; each is looked at once."""

    competition: Competition
    paths: Paths
    known: dict[tuple[int, tuple[str, ...], str], ImageIdentity | None] = field(default_factory=dict)

    def check(self, path: Path, made: Provenance) -> None:
        """Check that a prediction file was made with the present images. If they are not here, or the file does not say, it passes.

        Raises:
            PredictionError: it was made with other images, or other channels.
        """
        if made.images is None or self.competition.images is None:
            return
        before = read_identity(self.paths, made.images)
        if before is None:
            say(f"note: with which images {made.model} was made is not known any more, so it is not checked")
            return
        images = self.competition.images
        now = replace(before, channels=images.channels, levels=images.levels)
        if not changes(before, now):
            present = self.at(before.size, tuple(before.checksums), before.crops)
            if present is None:
                return
            now = present
        if what := changes(before, now):
            then = f"put the earlier ones back, or make it again: {made.remake_all}"
            raise PredictionError(f"{path} was made with other images than the present ones ({what})", then)

    def at(self, size: int, splits: tuple[str, ...] = SPLITS, crops: str = "") -> ImageIdentity | None:
        """The identity of the images, or of crops of cells, at `size` pixels; None, and a line, if they or their cache are not here."""
        asked = size, splits, crops
        if asked not in self.known:
            try:
                self.known[asked] = self._look_at_crops(crops) if crops else self._look(size, splits)
            except DataError as error:
                say(f"note: whether the images of {size} px are those that the models were made with is not checked: {error.what}")
                self.known[asked] = None
        return self.known[asked]

    def _look(self, size: int, splits: tuple[str, ...]) -> ImageIdentity:
        assert self.competition.images is not None
        for split in splits:
            folder = self.paths.cache(split, size)
            index, ids = read_index(folder), list(image_files(self.competition, self.paths, split))
            if index is None or (index["ids"], index["channels"]) != (ids, list(self.competition.images.channels)):
                raise DataError(f"there is no image cache {folder} of the present table", f"make data COMP={self.competition.name}")
        return ImageIdentity.of({split: prepare_cache(self.competition, self.paths, split, size) for split in splits})

    def _look_at_crops(self, crops: str) -> ImageIdentity:
        return ImageIdentity.of({split: self._crops_of(split, crops) for split in SPLITS})

    def _crops_of(self, split: str, crops: str) -> CropCache:
        folder = self.paths.crops(split, crops)
        found = open_crops(folder)
        try:
            present = found is not None and crop_content(self.competition, self.paths, split, found.plan).is_in(found)
        except OSError as error:
            raise DataError(f"{error.filename} is missing", f"make data COMP={self.competition.name}") from None
        if found is None or not present:
            raise DataError(f"there are no crops {folder} of the present images", f"make cells COMP={self.competition.name}")
        return found
