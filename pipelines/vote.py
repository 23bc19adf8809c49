"""A majority vote over label files brought by make import, and submissions.

A label is predicted if at least half of the files predict it, or as many as --at-least says. Only test images are voted on, so a vote
has no nested score. Writes submissions/<competition>/vote-<hash8>.csv, and a .json that names the files.
"""

from pathlib import Path

import numpy as np

from comp.base.errors import ConfigError, SubmissionError
from comp.base.files import hash_file
from comp.base.paths import Paths
from comp.base.progress import say
from comp.competition.competition import load_competition
from comp.competition.tables import read_form
from comp.predictions.imports import check_spelling
from comp.predictions.table_file import shown
from comp.submission.label_files import read_label_file, read_voter
from comp.submission.label_votes import agreement, agreement_table, majority
from comp.submission.submission import write_submission
from pipelines.command import parser, run

NOTE = "there is NO nested score: a vote has no predictions of labelled rows, so nothing here says how good it is"


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--models", nargs="*", default=[], metavar="NAME", help="label files brought by make import")
    arguments.add_argument("--file", nargs="*", default=[], type=Path, metavar="CSV", help="submissions")
    arguments.add_argument("--at-least", type=int, metavar="N", help="how many votes a label needs (default: half of the files)")
    options = arguments.parse_args()

    competition, paths = load_competition(options.competition), Paths(options.competition)
    form = read_form(competition, paths)
    models, files = sorted(options.models), sorted(options.file)
    for model in models:
        check_spelling(model)
    check_voters([*(paths.label_only(model) for model in models), *files])
    count = len(models) + len(files)
    needed = (count + 1) // 2 if options.at_least is None else options.at_least
    if not 1 <= needed <= count:
        raise ConfigError(f"AT_LEAST={shown(str(needed))} of {count} files", f"ask for 1 to {count}")
    imported = [read_label_file(competition, paths, model, form.ids) for model in models]
    decisions = np.stack([*imported, *(read_voter(path, competition, form) for path in files)])
    say(agreement_table([*models, *(path.name for path in files)], agreement(decisions)) + "\n")
    voted, empty = majority(decisions, needed, needs_labels=form.needs_labels)
    sidecar = {
        "competition": competition.name,
        "note": NOTE,
        "vote": {
            "at_least": needed,
            "models": {model: hash_file(paths.label_only(model)) for model in models},
            "files": [{"name": name, "hash": digest} for name, digest in sorted((path.name, hash_file(path)) for path in files)],
        },
        "empty": int(empty.sum()),
        "filled": int(empty.sum()) if form.needs_labels else 0,
    }
    labels = dict(zip(form.ids, competition.labels.strings(voted), strict=True))
    path = write_submission(paths.submissions() / "vote", labels, competition, sidecar, needs_labels=form.needs_labels)
    became = "got their most voted label" if form.needs_labels else "stay empty"
    say(f"{path}: {len(voted)} rows, labels with {needed} of {count} votes; {empty.sum()} rows had none and {became}")
    say(NOTE)


def check_voters(sources: list[Path]) -> None:
    """Raise SubmissionError for fewer than two files, or a file that would vote twice."""
    if len(sources) < 2:
        then = 'give more: MODELS="a b" imported by make import, FILE="c.csv d.csv"'
        raise SubmissionError(f"a vote needs at least two files, but got {len(sources)}", then)
    known: set[Path] = set()
    for source in sources:
        if source.resolve() in known:
            raise SubmissionError(f"{source} is given twice", "give each file once; AT_LEAST=... says how many votes a label needs")
        known.add(source.resolve())


if __name__ == "__main__":
    run(main)
