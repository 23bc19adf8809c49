"""Read the images of a competition into its cache at one size; what is missing or damaged is named.

    python -m pipelines.cache --competition hpa --size 512

Training does this by itself. Interrupted, it goes on where it was.
"""

from comp.base.paths import Paths
from comp.base.progress import say
from comp.competition.competition import load_competition
from comp.competition.image_cache import SPLITS, default_size, prepare_cache
from pipelines.command import parser, run


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--split", choices=SPLITS, help="only these images (default: both)")
    arguments.add_argument("--size", type=int, metavar="PX", help="pixels of a side (default: what the competition's models use)")
    given = arguments.parse_args()
    competition = load_competition(given.competition)
    for split in [given.split] if given.split else SPLITS:
        cache = prepare_cache(competition, Paths(competition.name), split, given.size or default_size(competition))
        say(f"{cache.folder}: {len(cache.ids):,} images at {cache.size} px, channels {', '.join(cache.channels)}")


if __name__ == "__main__":
    run(main)
