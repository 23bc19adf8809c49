"""Images in which cells are to be found: their files, and which of their channels are which stain."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from comp.base.errors import ConfigError
from comp.cells.image_files import ORDER, CellImage
from comp.cells.packaged import PACKAGED
from comp.cells.segment_folder import CellJob
from comp.cells.stains import stains_of
from comp.images.formats.stored import Levels
from comp.images.problems import Files

GREEN = "green"  # the protein that images are labelled by


@dataclass(frozen=True, eq=False)
class CellSource:
    """Images of one kind.

    Attributes:
        files: of each id, one for each channel or one for all.
        channels: their names.
        levels: the stored values of black and white, if the competition's YAML gives them.
    """

    files: Files
    channels: tuple[str, ...]
    levels: Levels | None = None

    def job(self, out: Path) -> CellJob:
        """Finding the cells of all images with the packaged segmenter.

        Args:
            out: the folder of masks.

        Raises:
            ConfigError: no channel shows nuclei, or the channels of one file are in an order that is not known.
        """
        stains = {stain: self.channels[number] for stain, number in stains_of(self.channels).items()}
        if "nuclei" not in stains:
            what = f"cells are found by their nuclei, and none of the channels {', '.join(self.channels)} is blue"
            raise ConfigError(what, "name the channel that shows nuclei blue, in the competition's YAML")
        images = [self._image(image_id, paths) for image_id, paths in self.files.items()]
        return CellJob(images, stains, out, PACKAGED)

    def _image(self, image_id: str, paths: Sequence[Path]) -> CellImage:
        if len(paths) == len(self.channels):
            return CellImage(image_id, dict(zip(self.channels, paths, strict=True)))
        if self.channels != ORDER[: len(self.channels)]:
            what = f"{paths[0]} holds the channels {', '.join(self.channels)}, and cells are found in {', '.join(ORDER)} in this order"
            raise ConfigError(what, "save each channel as a file of its own: a_blue.png, a_red.png")
        return CellImage(image_id, {"": paths[0]})

    @property
    def green(self) -> int | None:
        """The number of the channel of the protein, if there is one."""
        return self.channels.index(GREEN) if GREEN in self.channels else None
