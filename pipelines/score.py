"""Score a submission against known labels: the hidden ones of a practice competition, or a table of your own.

make score                            the newest of submissions/practice/
make score COMP=... LABELS=table.csv  against a table with the columns of the train table
"""

from pathlib import Path

import numpy as np

from comp.base.paths import Paths
from comp.base.progress import say
from comp.competition.competition import load_competition
from comp.metrics.bootstrap import Estimate
from comp.submission.known_labels import hidden_labels
from comp.submission.scoring import score_sentence, score_submission, score_table
from comp.submission.sidecar import expected_score
from comp.submission.submission import newest_submission
from pipelines.command import parser, run


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--file", type=Path, metavar="CSV", help="the submission (default: the newest of submissions/<competition>/)")
    arguments.add_argument("--labels", type=Path, metavar="CSV", help="a label table (default: a practice competition's hidden labels)")
    options = arguments.parse_args()

    competition, paths = load_competition(options.competition), Paths(options.competition)
    labels_file = options.labels or hidden_labels(competition, paths)
    path = options.file or newest_submission(paths.submissions(), competition)
    scores = score_submission(path, labels_file, competition)
    say(score_sentence(path, scores.all_classes))
    say(f"\nmacro F1 over all {len(competition.classes)} classes; a class without a hit counts 0\n\n{score_table(scores.all_classes)}")
    if scores.subset:
        say(f"\nmacro F1 over the {scores.classes} classes whose labels it can hold\n\n{score_table(scores.subset)}")
    say("\nbest constant: all labels for all images, the best of all constant answers")
    say("s.e.: bootstrap over images; too small if some images look alike")
    nested, unshifted = expected_score(path), (scores.subset or scores.all_classes).get("unshifted")
    if nested and unshifted:
        truth = unshifted.macro_f1
        gap = Estimate(nested.value - truth.value, float(np.hypot(nested.error, truth.error)))
        say(f"nested score {nested:.4f}; minus unshifted: {gap:+.4f}")


if __name__ == "__main__":
    run(main)
