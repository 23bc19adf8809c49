"""Replace labels of a submission by labels known from elsewhere, for test images that were published with their labels.

Writes submissions/<competition>/<submission>-overlay-<hash8>.csv; the submission itself stays. The score of an overlay says nothing
about the models. Its name, its .json and make submit say so.
"""

from pathlib import Path

from comp.base.paths import Paths
from comp.base.progress import say
from comp.competition.competition import load_competition
from comp.submission.overlay import overlay
from comp.submission.submission import newest_submission
from pipelines.command import parser, run


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--file", type=Path, metavar="CSV", help="the submission (default: the newest of submissions/<competition>/)")
    arguments.add_argument("--labels", required=True, type=Path, metavar="CSV", help="known labels, with the train table's columns")
    options = arguments.parse_args()

    competition = load_competition(options.competition)
    submission = options.file or newest_submission(Paths(competition.name).submissions(), competition)
    made = overlay(submission, options.labels, competition)
    say(f"{made.path}: {made.note}")
    say(f"it is now the newest submission; to send the one without these labels: make submit COMP={competition.name} FILE={submission}")


if __name__ == "__main__":
    run(main)
