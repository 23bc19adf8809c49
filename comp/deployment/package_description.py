"""`package.yaml`: what a package knows of its competition, and which stack it labels with."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from comp.base.errors import PredictionError
from comp.base.files import hash_of, read_text, write_text
from comp.competition.label_forms import Form
from comp.images.formats.stored import Levels

AGAIN = "copy the package again from where it was made"  # what to do about a damaged file of a package


@dataclass(frozen=True)
class PackageDescription:
    """What a package knows.

    Attributes:
        competition, title: its name here, and its title for people.
        id_column, label_column: of a submission.
        form: how the competition's tables write labels.
        classes, tokens, separator: of its label strings.
        pattern: of the files of an image.
        channels: their names.
        levels: the stored values of black and white, if the competition's YAML gives them.
        stack: which of the folders holds the stack.
        folds: how many each model has.
        models: those that the stack needs.
        test_images: fingerprint of the ids of the competition's test images.
        copies: groups of ids of test images that are near-duplicates.
    """

    competition: str
    title: str
    id_column: str
    label_column: str
    form: Form
    classes: tuple[str, ...]
    tokens: tuple[str, ...]
    separator: str
    pattern: str
    channels: tuple[str, ...]
    levels: Levels | None
    stack: str
    folds: int
    models: tuple[str, ...]
    test_images: str
    copies: tuple[tuple[str, ...], ...]

    def write(self, path: Path) -> None:
        """Write it with its own hash."""
        content = asdict(self)
        write_text(path, yaml.safe_dump(content | {"sha256": hash_of(content, digits=64)}, sort_keys=False, allow_unicode=True))

    def numbered(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """(N,) numbers of images, equal for near-duplicates, if they are the competition's test images; else all different."""
        numbers = np.arange(len(ids))
        if fingerprint_of(ids) == self.test_images:
            place = {image_id: row for row, image_id in enumerate(ids)}
            for group in self.copies:
                numbers[[place[image_id] for image_id in group]] = place[group[0]]
        return numbers


def fingerprint_of(ids: Sequence[str]) -> str:
    """Equal for the same ids in any order."""
    return hash_of(sorted(ids))


def read_description(path: Path) -> PackageDescription:
    """What `PackageDescription.write` wrote.

    Raises:
        PredictionError: it is missing, damaged, or changed since.
    """
    damaged = PredictionError(f"{path} is damaged or was changed", AGAIN)
    try:
        found = yaml.safe_load(read_text(path))
        if found.pop("sha256") != hash_of(found, digits=64):
            raise damaged
        return PackageDescription(**{key: _frozen(value) for key, value in found.items()})
    except OSError as error:
        raise PredictionError(f"{path} cannot be read ({error.strerror})", AGAIN) from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, yaml.YAMLError):
        raise damaged from None


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
