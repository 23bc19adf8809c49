"""What the segmenting network is trained on: labelled fields of a folder, and fields of the practice painter with its true masks."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from xxhash import xxh3_64

from comp.base.errors import DataError
from comp.base.progress import track
from comp.cells.labelled_fields import find_labelled
from comp.cells.samples import Field, field_of
from comp.practice.draw import draw_field
from comp.practice.tables import PracticeSpec, draw_tables
from comp.practice.writer import scene

MOST = 300  # painted fields
PAINTED = PracticeSpec(train=MOST, test=1, unshifted=1, seed=1000)  # cells, antibodies and wells that no practice competition has
SIZES = (128, 256)  # pixels of painted fields, in turn


def labelled_fields(folder: Path, stains: Mapping[str, str]) -> list[Field]:
    """The images of a folder that have true masks and are not held out.

    Raises:
        DataError: there are none, or a file is damaged.
    """
    images = [image for image in find_labelled(folder, stains) if not image.held_out]
    if not images:
        raise DataError(f"all images in {folder} are held out, by the CRC-32 of their names", "add images, or rename some")
    return [field_of(*image.read(stains)) for image in track(images, label="reading fields", unit="image")]


def field_hash(fields: Sequence[Field]) -> str:
    """A hash of the planes and the masks."""
    hashed = xxh3_64()
    for field in fields:
        for array in (field.planes, field.nuclei, field.cells):
            hashed.update(b"" if array is None else np.ascontiguousarray(array).data)
    return hashed.hexdigest()


def painted_fields() -> list[Field]:
    """Fields of the practice painter that hold nuclei."""
    rows = [row for row in draw_tables(PAINTED).to_dict("records") if row["usage"] == "train"][:MOST]
    fields = []
    for number, row in enumerate(track(rows, label="painting fields", unit="image")):
        drawn = draw_field(scene(row), SIZES[number % len(SIZES)])
        red, _, blue, yellow = drawn.image.transpose(2, 0, 1)
        if drawn.nuclei.any():
            fields.append(field_of({"nuclei": blue, "microtubules": red, "reticulum": yellow}, drawn.nuclei, drawn.cells))
    return fields
