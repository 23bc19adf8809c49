"""Check a submission and send it to Kaggle with Kaggle's own client.

make submit COMP=hpa                       the newest of submissions/hpa/
make submit COMP=hpa FILE=... MESSAGE=...  this one
"""

import shlex
from pathlib import Path

from comp.base.errors import SubmissionError
from comp.base.missing_packages import as_typed
from comp.base.paths import Paths
from comp.base.progress import say
from comp.competition.competition import Competition, load_competition
from comp.competition.kaggle import check_submitted, submissions_page
from comp.competition.kaggle_client import SUBMIT_SECONDS, client_program, run_client
from comp.competition.tables import read_form
from comp.submission.sidecar import class_subset, expected_score, read_sidecar
from comp.submission.submission import check_submission, newest_submission
from pipelines.command import parser, run


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--file", type=Path, metavar="CSV", help="the submission (default: the newest of submissions/<competition>/)")
    arguments.add_argument("--message", metavar="TEXT", help="what Kaggle shows next to it (default: the stack and its nested score)")
    options = arguments.parse_args()

    competition, paths = load_competition(options.competition), Paths(options.competition)
    if competition.slug is None:
        then = f"score it with: make score COMP={competition.name}" + ("" if competition.practice else " LABELS=table.csv")
        raise SubmissionError(f"competition {competition.name} is not on Kaggle (its YAML has no slug)", then)
    path = options.file or newest_submission(paths.submissions(), competition)
    say(f"checking {path}" + ("" if options.file else " (the newest; FILE=... takes another)"))
    say(check_submission(path, competition, read_form(competition, paths)).text())
    if note := read_sidecar(path).get("note"):
        say(f"note: {note}")
    message = options.message or default_message(path, competition)
    command = ["competitions", "submit", "-c", competition.slug, *option("-f", "--file", str(path)), *option("-m", "--message", message)]
    program, page = client_program(), submissions_page(competition.slug)
    say(shlex.join([as_typed(program), *command]))
    say("sending it; if the connection breaks, the client tries again for up to six minutes, and is stopped after seven")
    ended = run_client([str(program), *command], SUBMIT_SECONDS)
    check_submitted(ended, path, competition)
    say(ended.out.strip())
    say(f"its score will appear at {page}, or type: {as_typed(program)} competitions submissions -c {competition.slug}")


def option(short: str, long: str, value: str) -> list[str]:
    """An option of the client; a value that begins with a dash is joined to its name, else it would be taken for another option."""
    return [f"{long}={value}"] if value.startswith("-") else [short, value]


def default_message(path: Path, competition: Competition) -> str:
    """The submission's name and the score to expect: "mean-1a2b3c4d, nested macro F1 0.4123 +- 0.0100"."""
    nested, columns = expected_score(path), class_subset(path, competition)
    subset = f" over {len(columns)} of {len(competition.classes)} classes" if columns else ""
    return path.stem + (f", nested macro F1 {nested:.4f}{subset}" if nested else "")


if __name__ == "__main__":
    run(main)
