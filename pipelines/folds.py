"""Split the train images into folds: multilabel-stratified, near-duplicates and groups together.

Writes oof/<competition>/folds.csv once; everything that is trained or stacked reads it. Prints the balance table. A hold-out is kept
from training and tuning: every model predicts it as it does the test images, and the stack scores it once. Near-duplicates
among the test images are listed beside those of the train images, so that a stack can average what it predicts of them.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from comp.errors import FoldError
from pipelines.command import parser, run, say

if TYPE_CHECKING:
    from pandas import DataFrame

    from comp.competition import Competition
    from comp.folds import Folds
    from comp.paths import Paths

SHOWN = 20  # pairs that are named
DUPLICATE_SIZE = 128  # pixels at which near-duplicates are looked for


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--file", type=Path, metavar="CSV", help="take this fold map (id, fold, group) instead of making one")
    arguments.add_argument("--holdout", type=share, metavar="SHARE", help="share of the images that no fold gets (default: the YAML's)")
    options = arguments.parse_args()

    from comp.competition import load_competition, read_train
    from comp.folds import Folds, balance_table
    from comp.paths import Paths
    from pipelines.data import ensure_data

    competition, paths = load_competition(options.competition), Paths(options.competition)
    if options.file and options.holdout is not None:
        raise FoldError("a fold map that is given has its own hold-out, fold -1", "leave out HOLDOUT, or FILE")
    asked = options.file or options.holdout is not None
    if asked and paths.folds().exists():
        raise FoldError(f"{paths.folds()} exists", "remove it (and predictions made with it) to take another fold map")
    ensure_data(competition, paths)
    if options.file:
        ids, _ = read_train(competition, paths)
        given = Folds.read(options.file)
        given.check_ids(ids)
        given.write(paths.folds())
    exists = not options.file and paths.folds().exists()
    folds = ensure_folds(competition, paths, options.holdout)
    if exists:
        say(f"{paths.folds()} exists and stays; remove it (and predictions made with it) to split anew")
    if (exists or options.file) and not paths.test_duplicates().exists():
        list_test_duplicates(competition, paths)
    ids, labels = read_train(competition, paths)
    say(balance_table(folds.in_order(ids), labels, competition.labels.names))
    if competition.folds.duplicates and competition.images:
        for line in audit(competition, paths, folds):
            say(line)


def audit(competition: "Competition", paths: "Paths", folds: "Folds") -> list[str]:
    """Which near-duplicates the fold map splits; they are looked for where that was not done yet."""
    from comp.data.duplicates import read_pairs

    if not paths.duplicates().exists():
        near_duplicates(competition, paths, folds.ids)
    pairs = read_pairs(paths.duplicates(), f"remove it, then: make folds COMP={competition.name}")
    split = folds.split_pairs(pairs)
    if not split:
        return [f"audit: none of the {len(pairs)} pairs of near-duplicates is split between folds"]
    shown = split[:SHOWN] + ([f"and {len(split) - SHOWN} more"] if len(split) > SHOWN else [])
    return [f"audit: {len(split)} of {len(pairs)} pairs of near-duplicates are split between folds, and scores will be too high:", *shown]


def share(text: str) -> float:
    """An argument's type: a share of the images, 0 or more and less than 1.

    Raises:
        FoldError: it is something else.
    """
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1:
        raise FoldError(
            f"the hold-out is {text!r}", "give the share of the images that no fold gets, 0 or more and less than 1: HOLDOUT=0.1"
        )
    return number


def ensure_folds(competition: "Competition", paths: "Paths", holdout: float | None = None) -> "Folds":
    """The competition's fold map; made, with a line that says so, where it is missing.

    Args:
        holdout: share of the images that a new map's folds do not get; None: what the competition's YAML says.

    Raises:
        FoldError: the present map is not of the train table's ids, or none can be made.
    """
    from comp.competition import read_groups, read_train
    from comp.folds import Folds, assign

    ids, labels = read_train(competition, paths)
    if paths.folds().exists():
        try:
            folds = Folds.read(paths.folds())
            folds.check_ids(ids)
        except FoldError as error:
            then = f"remove it and the predictions made with it, then: make folds COMP={competition.name}"
            raise FoldError(f"{paths.folds()} does not serve: {error.what}", then) from None
        return folds
    plan = competition.folds
    kept_away = plan.holdout if holdout is None else holdout
    but = f", {kept_away:.3g} of them kept as hold-out" if kept_away else ""
    say(f"making {paths.folds()}: {plan.count} folds of {len(ids)} images{but}")
    components = near_duplicates(competition, paths, ids) if plan.duplicates and competition.images else None
    list_test_duplicates(competition, paths)
    groups = read_groups(competition, paths, ids)
    folds = assign(
        ids, labels, count=plan.count, groups=groups, components=components, overlap=plan.overlap, holdout=kept_away, seed=plan.seed
    )
    folds.write(paths.folds())
    return folds


def near_duplicates(competition: "Competition", paths: "Paths", ids: tuple[str, ...]) -> list[str]:
    """The near-duplicate component of each train image; the pairs are written beside the cache."""
    from comp.data.duplicates import components

    pairs = list_duplicates(competition, paths, "train", paths.duplicates())
    say(f"near-duplicates: {len(pairs)} pairs, which will share folds, listed in {paths.duplicates()}")
    return components(ids, pairs)


def list_test_duplicates(competition: "Competition", paths: "Paths") -> None:
    """Look for near-duplicates among the test images and write their list; a line says so where they cannot be read."""
    from comp.errors import DataError

    if not (competition.folds.duplicates and competition.images):
        return
    try:
        pairs = list_duplicates(competition, paths, "test", paths.test_duplicates())
    except DataError as error:  # the folds do not need them
        say(f"near-duplicates among test images: not looked for, {error}")
        return
    say(f"near-duplicates among test images: {len(pairs)} pairs, listed in {paths.test_duplicates()}")


def list_duplicates(competition: "Competition", paths: "Paths", part: str, file: Path) -> "DataFrame":
    """All pairs of near-duplicates of a part, written to `file`."""
    from comp.data.duplicates import find_duplicates
    from comp.files import write_text
    from pipelines.cache import prepare_cache

    cache = prepare_cache(competition, paths, part, DUPLICATE_SIZE)
    pairs = find_duplicates(cache.images, cache.ids)
    write_text(file, pairs.to_csv(index=False))
    return pairs


if __name__ == "__main__":
    run(main)
