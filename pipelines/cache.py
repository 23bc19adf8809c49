"""Read the images of a competition into its cache at one size; what is missing or damaged is named.

    python -m pipelines.cache --competition hpa --size 512

Training does this by itself. Interrupted, it goes on where it was.
"""

import csv
import io

from comp.competition import Competition, load_competition, read_test_ids, read_train
from comp.data.cache import Cache
from comp.data.cache_filling import Files, fill_cache
from comp.errors import DataError
from comp.experiment import NetworkExperiment
from comp.files import write_text
from comp.paths import Paths
from comp.workers import cores
from pipelines.command import parser, run, say

PARTS = ("train", "test")
NAMED = 3  # images in a line; all of them are in the CSV


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--part", choices=PARTS, help="only this part (default: both)")
    arguments.add_argument("--size", type=int, metavar="PX", help="pixels of a side (default: what the competition's models use)")
    given = arguments.parse_args()
    competition = load_competition(given.competition)
    for part in [given.part] if given.part else PARTS:
        cache = prepare_cache(competition, Paths(competition.name), part, given.size or usual_size(competition))
        say(f"{cache.folder}: {len(cache.ids):,} images at {cache.size} px, channels {', '.join(cache.channels)}")


def prepare_cache(competition: Competition, paths: Paths, part: str, size: int) -> Cache:
    """The cache of a part at `size` pixels, filled; row i is image i of the table. Says so where it has to read images.

    Raises:
        DataError: files that are missing or unreadable, by name.
    """
    files = image_files(competition, paths, part)
    channels = competition.images.channels if competition.images else ()
    folder = paths.cache(part, size)

    def announce(rows: int) -> None:
        say(f"making {folder}: reading {rows:,} of {len(files):,} images on {cores()} cores")

    again = f"make data COMP={competition.name}"
    cache = fill_cache(folder, files, size, channels, again, announce)
    _say_remarks(cache)
    return cache


def image_files(competition: Competition, paths: Paths, part: str) -> Files:
    """The files of each image of a part, in the order of its table.

    Raises:
        DataError: the competition has no images, or no table of this part.
    """
    ids = read_train(competition, paths)[0] if part == "train" else read_test_ids(competition, paths)
    if not ids:
        raise DataError(f"the {part} table of {competition.name} has no rows", "check the file")
    return {image_id: competition.image_files(paths, part, image_id) for image_id in ids}


def usual_size(competition: Competition) -> int:
    """The size at which the competition's models are trained unless told otherwise."""
    return int(competition.overrides.get("size", NetworkExperiment.model_fields["size"].default))


def _say_remarks(cache: Cache) -> None:
    """Black channels, squeezed and enlarged images: by name, once, and all of them in a CSV beside the cache."""
    remarks = cache.remarks()
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("id", "remark"), *remarks] if remarks else [])
    file = cache.folder.with_name(f"{cache.folder.name}-remarks.csv")
    if text.getvalue() == (file.read_text() if file.exists() else ""):
        return
    write_text(file, text.getvalue())
    first = "; ".join(f"{image_id} ({remark})" for image_id, remark in remarks[:NAMED])
    say(f"note: {len(remarks)} remarks on images, all in {file}: {first}" if remarks else f"note: no remarks on images any more ({file})")


if __name__ == "__main__":
    run(main)
