"""Get the data of a competition, check that every image is there, and read the images into the cache.

    make data COMP=hpa                     downloads with Kaggle's client and unzips into data/hpa
    make data COMP=hpa DATA=/where/it/is   uses a folder elsewhere: data/hpa becomes a link to it
    make data                              draws the practice competition

After an interruption the same command continues. It does not fetch again what is there.
"""

from pathlib import Path

from comp.base.paths import Paths
from comp.base.progress import say
from comp.competition.competition import load_competition
from comp.competition.data import check_data, ensure_data, link_data
from comp.competition.image_cache import SPLITS, CacheChoice, default_size, prepare_cache
from comp.images.cache import FORMS
from pipelines.command import parser, run


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--data", type=Path, metavar="DIR", help="a folder in Kaggle's layout, to be used as the competition's")
    arguments.add_argument("--cache", choices=FORMS, help="form of the image cache (default: as it is; the better one for a new cache)")
    options = arguments.parse_args()
    competition = load_competition(options.competition)
    paths = Paths(competition.name)
    if options.data:
        link_data(competition, paths, options.data)
    ensure_data(competition, paths, may_download=True)
    check_data(competition, paths)
    if competition.images:
        for split in SPLITS:
            prepare_cache(competition, paths, split, default_size(competition), choice=CacheChoice(options.cache))
    say(f"{competition.folder(paths)} is complete")


if __name__ == "__main__":
    run(main)
