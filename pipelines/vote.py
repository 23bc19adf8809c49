"""A majority vote over files of labels: those brought by make import, and submissions.

A label is predicted where at least half of the files, or --at-least of them, say so. Only test images are voted on, so that the vote
has no nested score. Writes submissions/<competition>/vote-<hash8>.csv with a .json that names the files.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.command import parser, run, say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from comp.competition import Competition

NOTE = "there is NO nested score: no labelled rows were voted on, and nothing says here what the vote is worth"


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--models", nargs="*", default=[], metavar="NAME", help="label files brought by make import")
    arguments.add_argument("--file", nargs="*", default=[], type=Path, metavar="CSV", help="submissions")
    arguments.add_argument("--at-least", type=int, metavar="N", help="how many files a label needs (default: half of them)")
    options = arguments.parse_args()

    import numpy as np

    from comp.competition import load_competition, read_test_ids
    from comp.errors import ConfigError
    from comp.files import hash_file
    from comp.members import read_labels_elsewhere
    from comp.paths import Paths
    from comp.submission import write_submission
    from comp.votes import agreement, majority

    competition, paths = load_competition(options.competition), Paths(options.competition)
    test_ids = read_test_ids(competition, paths)
    models, files = sorted(options.models), sorted(options.file)
    refuse_repeated([*(paths.hard(model) for model in models), *files])
    count = len(models) + len(files)
    needed = (count + 1) // 2 if options.at_least is None else options.at_least
    if not 1 <= needed <= count:
        raise ConfigError(f"AT_LEAST={needed} of {count} files", f"ask for 1 to {count}")
    imported = [read_labels_elsewhere(competition, paths, model, test_ids) for model in models]
    decisions = np.stack([*imported, *(read_votes(path, competition, test_ids) for path in files)])
    say(agreement_table([*models, *(path.name for path in files)], agreement(decisions)) + "\n")
    voted, empty = majority(decisions, needed)
    sidecar = {
        "competition": competition.name,
        "note": NOTE,
        "vote": {
            "at_least": needed,
            "models": {model: hash_file(paths.hard(model)) for model in models},
            "files": [{"name": name, "hash": digest} for name, digest in sorted((path.name, hash_file(path)) for path in files)],
        },
        "filled": int(empty.sum()),
    }
    path = write_submission(paths.submissions(), "vote", test_ids, competition.labels.strings(voted), competition, sidecar)
    say(f"{path}: {len(voted)} rows, labels with {needed} of {count} votes; {empty.sum()} rows had none such and got their most voted one")
    say(NOTE)


def refuse_repeated(sources: list[Path]) -> None:
    """Raise SubmissionError for fewer than two files, or one that would vote twice."""
    from comp.errors import SubmissionError

    if len(sources) < 2:
        what = f"{len(sources) or 'no'} file{'s' * (len(sources) != 1)} cannot vote"
        raise SubmissionError(what, 'give two or more: MODELS="a b" brought by make import, FILE="c.csv d.csv"')
    seen: set[Path] = set()
    for source in sources:
        if source.resolve() in seen:
            raise SubmissionError(f"{source} is given twice", "give each file once; AT_LEAST=... says how many votes a label needs")
        seen.add(source.resolve())


def read_votes(path: Path, competition: "Competition", test_ids: tuple[str, ...]) -> "NDArray[np.bool_]":
    """The decisions (T, C) of a submission, in the order of `test_ids`.

    Raises:
        SubmissionError: it is not valid, or an overlay, whose labels are not all predicted.
    """
    from comp.submission import check_submission, part_of_classes, read_submission
    from pipelines.overlay import refuse_overlay

    refuse_overlay(path, "vote over the submission that it was laid over, then lay the labels over the vote")
    check_submission(path, competition, test_ids)
    if columns := part_of_classes(path, competition):
        say(f"{path} holds labels of {len(columns)} of {len(competition.classes)} classes, and votes against all others")
    ids, decisions = read_submission(path, competition)
    row = {image_id: number for number, image_id in enumerate(ids)}
    return decisions[[row[image_id] for image_id in test_ids]]


def agreement_table(names: list[str], found: "NDArray[np.float64]") -> str:
    """Macro F1 of each voter (line) against those before it (columns, by number)."""
    width = max(map(len, names))
    lines = ["agreement: macro F1 of each pair", " " * (width + 5) + "".join(f"{f'[{number}]':>8}" for number in range(1, len(names)))]
    for number, name in enumerate(names):
        cells = "".join(f"{value:>8.4f}" for value in found[number, :number])
        lines.append(f"{f'[{number + 1}]':<5}{name:<{width}}{cells}".rstrip())
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
