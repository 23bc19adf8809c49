"""Read the images of a competition into its cache at one size; what is missing or damaged is named.

    python -m pipelines.cache --competition hpa --size 512

Training does this by itself. Interrupted, it goes on where it was.

The form is raw, or compressed if a raw cache is too large for the disk or the memory. A new cache is made from a larger one that is there
already, if the larger size is a multiple; its pixels may differ by one grey level from those made from the files.
"""

from comp.base.paths import Paths
from comp.base.progress import say
from comp.competition.competition import load_competition
from comp.competition.image_cache import SPLITS, CacheChoice, default_size, prepare_cache
from comp.images.cache import FORMS
from comp.images.cache_form import amount
from pipelines.command import parser, run


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--split", choices=SPLITS, help="only these images (default: both)")
    arguments.add_argument("--size", type=int, metavar="PX", help="pixels of a side (default: what the competition's models use)")
    arguments.add_argument("--form", choices=FORMS, help="convert a cache to this form (default: as it is; the better one for a new cache)")
    arguments.add_argument("--from-files", action="store_true", help="make a new cache from the image files, not from a larger cache")
    given = arguments.parse_args()
    choice = CacheChoice(given.form, given.from_files)
    competition = load_competition(given.competition)
    for split in [given.split] if given.split else SPLITS:
        size = given.size or default_size(competition)
        cache = prepare_cache(competition, Paths(competition.name), split, size, choice=choice)
        stored = f"{cache.form}, {amount(cache.stored_bytes)}"
        say(f"{cache.folder}: {len(cache.ids):,} images at {cache.size} px, channels {', '.join(cache.channels)}, {stored}")


if __name__ == "__main__":
    run(main)
