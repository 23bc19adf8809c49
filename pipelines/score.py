"""Score a submission against labels it was not made with: the sealed ones of a drawn competition, or a table of your own.

make score                            the newest of submissions/practice/
make score COMP=... LABELS=table.csv  against a table with the columns of the train table
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from comp.competition import Competition, load_competition, read_ids
from comp.errors import DataError
from comp.metrics import macro_f1
from comp.paths import Paths
from comp.resampling import Estimate, GroupBootstrap
from comp.submission import claim, newest_submission, part_of_classes, read_submission
from pipelines.command import parser, run, say

Bools = NDArray[np.bool_]
PART = "Part"  # public, private (both shifted as test sets are) or unshifted (drawn as the train set was)


def score(competition_name: str, file: Path | None, labels_file: Path | None) -> None:
    """Print macro F1 of each part beside the best constant answer, and what the submission promised.

    Of a submission that holds labels of a part of the classes, the same follows over these alone, which is what it promised.

    Raises:
        DataError: no labels, or labels of ids that the submission lacks.
    """
    competition = load_competition(competition_name)
    paths = Paths(competition.name)
    ids, labels, parts = read_labels(labels_file or sealed_labels(competition, paths), competition)
    path = file or newest_submission(paths.submissions(), competition)
    decisions = decisions_of(path, ids, competition)
    columns = part_of_classes(path, competition)
    say(f"{path}, macro F1 over {len(competition.labels)} classes\n")
    found = say_parts(labels, decisions, parts)
    if columns:
        say(f"\nover the {len(columns)} classes whose labels it holds\n")
        found = say_parts(labels[:, columns], decisions[:, columns], parts)
    say("\nbest constant: all labels to all images, no other constant answer scores higher")
    say("s.e.: bootstrap over images, too small where some look alike")
    nested, truth = claim(path), found.get("unshifted")
    if nested and truth:
        gap = Estimate(nested.value - truth.value, float(np.hypot(nested.error, truth.error)))
        say(f"nested score {nested:.4f}; minus unshifted: {gap:+.4f}")


def say_parts(labels: Bools, decisions: Bools, parts: NDArray[np.str_]) -> dict[str, Estimate]:
    """Print a line a part; returns the macro F1 of each."""
    say(f"{'part':<12}{'images':>8}{'macro F1':>10}{'s.e.':>8}{'best constant':>15}{'ratio':>7}")
    found = {}
    for part in sorted(set(parts)):
        true, said = labels[parts == part], decisions[parts == part]
        found[part] = GroupBootstrap(true, np.arange(len(true)), draws=1000, seed=0).score(said).estimate
        constant = best_constant(true)
        ratio = found[part].value / constant if constant else np.nan
        say(f"{part:<12}{len(true):>8}{found[part].value:>10.4f}{found[part].error:>8.4f}{constant:>15.4f}{ratio:>7.2f}")
    return found


def sealed_labels(competition: Competition, paths: Paths) -> Path:
    """The labels drawn with a practice competition; nothing else reads them.

    Raises:
        DataError: the competition is not a drawn one.
    """
    if competition.practice is None:
        then = f"give a table with LABELS=..., or: make submit COMP={competition.name}"
        raise DataError(f"competition {competition.name} has no sealed labels", then)
    return competition.folder(paths) / "sealed" / "labels.csv"


def read_labels(path: Path, competition: Competition) -> tuple[tuple[str, ...], Bools, NDArray[np.str_]]:
    """Ids, labels (N, C) and the part of each id, "all" where the table has no such column.

    Raises:
        DataError: missing file or column, a duplicate id, an unknown label.
    """
    ids = read_ids(path, competition.columns.id, "correct LABELS=..., or draw the practice competition with: make practice")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    target = competition.columns.target
    if target not in table:
        raise DataError(f"{path} has no column {target!r}", f"it has {', '.join(table.columns)}; name its columns as the train table's")
    labels = competition.labels.multi_hot(table[target], ids, str(path))
    if not labels.any():
        raise DataError(f"{path} holds no label", "give the table that does")
    return ids, labels, np.array(table[PART] if PART in table else ["all"] * len(ids))


def decisions_of(path: Path, ids: tuple[str, ...], competition: Competition) -> Bools:
    """Decisions (N, C) of a submission in the order of `ids`; it may hold more.

    Raises:
        DataError: it lacks one of them.
    """
    submitted, decisions = read_submission(path, competition)
    row = {image_id: number for number, image_id in enumerate(submitted)}
    if missing := [image_id for image_id in ids if image_id not in row]:
        then = f"make it again with: make stack COMP={competition.name}"
        raise DataError(f"{path} lacks {len(missing)} of the {len(ids)} labelled ids, e.g. {missing[0]}", then)
    return decisions[[row[image_id] for image_id in ids]]


def best_constant(labels: Bools) -> float:
    """The highest macro F1 of an answer that gives every image the same labels.

    Classes count separately and none below 0, so no answer beats all labels to all images: mean of 2n / (N + n), n positives in N images.
    """
    return macro_f1(labels, np.ones_like(labels))


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--file", type=Path, metavar="CSV", help="the submission (default: the newest of submissions/<competition>/)")
    arguments.add_argument("--labels", type=Path, metavar="CSV", help="a label table (default: the sealed one of a drawn competition)")
    options = arguments.parse_args()
    score(options.competition, options.file, options.labels)


if __name__ == "__main__":
    run(main)
