"""Split the train images into folds: multilabel-stratified, with near-duplicates and groups kept together.

    make folds                  makes oof/<competition>/folds.csv, unless it exists, and prints the balance table
    make folds HOLDOUT=0.1      keeps this share of the images out of all folds
    make folds FILE=folds.csv   uses this fold map (id, fold, group)

All training and stacking reads that file. Nothing is trained or tuned on a hold-out: models predict it like the test images, and
the stack scores it once. Near-duplicates among the test images are listed too: a stack averages its predictions over them.
"""

from pathlib import Path

from comp.base.errors import FoldError
from comp.base.paths import Paths
from comp.base.progress import say
from comp.competition.competition import load_competition
from comp.competition.data import ensure_data
from comp.competition.tables import read_train
from comp.folds.balance import balance_table
from comp.folds.competition_folds import check_no_folds, check_plan, ensure_folds, import_folds, make_with_holdout
from comp.folds.group_check import other_groups
from comp.folds.near_duplicates import audit, ensure_test_duplicates
from pipelines.command import parser, run


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--file", type=Path, metavar="CSV", help="use this fold map (id, fold, group) instead of making one")
    arguments.add_argument("--holdout", type=share, metavar="SHARE", help="share of the images that no fold gets (default: the YAML's)")
    options = arguments.parse_args()

    competition, paths = load_competition(options.competition), Paths(options.competition)
    if options.file and options.holdout is not None:
        raise FoldError("a given fold map has its own hold-out, fold -1", "leave out HOLDOUT, or FILE")
    if options.file or options.holdout is not None:
        check_no_folds(paths)
    existed = paths.folds().exists()
    if not (existed or options.file):
        check_plan(competition)
    ensure_data(competition, paths)
    if options.file:
        folds = import_folds(competition, paths, options.file)
    elif options.holdout is not None:
        folds = make_with_holdout(competition, paths, options.holdout)
    else:
        folds = ensure_folds(competition, paths)
    if existed:
        say(f"{paths.folds()} exists and stays; remove it (and predictions made with it) to split again")
    if existed or options.file:
        ensure_test_duplicates(competition, paths)
    if line := other_groups(competition, paths, folds):
        say(line)
    ids, labels = read_train(competition, paths)
    say(balance_table(folds.in_order(ids), labels, competition.labels.names))
    if competition.folds.duplicates and competition.images:
        for line in audit(competition, paths, folds):
            say(line)


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
        then = "give the share of the images that no fold gets, 0 or more and less than 1: HOLDOUT=0.1"
        raise FoldError(f"the hold-out is {text!r}", then)
    return number


if __name__ == "__main__":
    run(main)
