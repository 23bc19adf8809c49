"""Check a submission and send it to Kaggle with Kaggle's own client.

make submit COMP=hpa                       the newest of submissions/hpa/
make submit COMP=hpa FILE=... MESSAGE=...  this one
"""

import shlex
import subprocess
from pathlib import Path

from comp.competition import Competition, load_competition, read_test_ids
from comp.errors import SubmissionError
from comp.paths import Paths
from comp.submission import check_submission, claim, newest_submission, part_of_classes, read_sidecar
from pipelines.command import parser, run, say
from pipelines.kaggle_client import as_typed, client, missing_credentials, reason

UPLOADED = "Successfully submitted"  # how Kaggle's reply to a submission begins; the client prints it as it came
UPLOAD_FAILED = "Could not submit to competition"  # printed by the client, with return code 0


def submit(competition_name: str, file: Path | None, message: str | None) -> None:
    """Check, show the command and run it.

    Raises:
        SubmissionError: the submission is not valid, or Kaggle did not take it.
    """
    competition = load_competition(competition_name)
    paths = Paths(competition.name)
    if competition.slug is None:
        then = f"score it with: make score COMP={competition.name}"
        raise SubmissionError(f"competition {competition.name} is not on Kaggle (its YAML has no slug)", then)
    path = file or newest_submission(paths.submissions(), competition)
    say(f"checking {path}" + ("" if file else " (the newest; FILE=... takes another)"))
    say(check_submission(path, competition, read_test_ids(competition, paths)).text())
    if note := read_sidecar(path).get("note"):
        say(f"note: {note}")
    message = message or default_message(path, competition)
    arguments = ["competitions", "submit", "-c", competition.slug, "-f", str(path), "-m", message]
    program = client()
    say(shlex.join([as_typed(program), *arguments]))
    say("sending it; where the connection breaks, the client tries again for up to six minutes")
    ended = subprocess.run([program, *arguments], capture_output=True, text=True)
    refuse_failure(ended, competition, path)
    say(ended.stdout.strip())
    say(f"its score will appear at {_page(competition)}, or type: {as_typed(program)} competitions submissions -c {competition.slug}")


def default_message(path: Path, competition: Competition) -> str:
    """The submission's name, which starts with its stack's, and its claim: "mean-1a2b3c4d, nested macro F1 0.4123 +- 0.0100"."""
    nested, columns = claim(path), part_of_classes(path, competition)
    over = f" over {len(columns)} of {len(competition.classes)} classes" if columns else ""
    return path.stem + (f", nested macro F1 {nested:.4f}{over}" if nested else "")


def refuse_failure(ended: subprocess.CompletedProcess[str], competition: Competition, path: Path) -> None:
    """Raise SubmissionError unless the client's text says that Kaggle took the submission; its return code can be 0 when not."""
    text = ended.stdout + ended.stderr
    if missing_credentials(text):
        raise SubmissionError(f"Kaggle does not know who submits {path}", missing_credentials(text))
    if ended.returncode == 0 and UPLOADED in ended.stdout:
        return
    page, why = _page(competition), reason(ended)
    if UPLOAD_FAILED in text:
        raise SubmissionError(f"{path} was not submitted, its upload failed ({why})", "check the network, then type the command again")
    if ended.returncode != 0:
        raise SubmissionError(f"{path} was not submitted ({why})", f"see the rules and limits at {page}, or check the network")
    raise SubmissionError(f"the client did not say that {path} was submitted ({why})", f"look at {page} before trying again")


def _page(competition: Competition) -> str:
    return f"https://www.kaggle.com/competitions/{competition.slug}/submissions"


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--file", type=Path, metavar="CSV", help="the submission (default: the newest of submissions/<competition>/)")
    arguments.add_argument("--message", metavar="TEXT", help="what Kaggle shows beside it (default: the stack and its nested score)")
    options = arguments.parse_args()
    submit(options.competition, options.file, options.message)


if __name__ == "__main__":
    run(main)
