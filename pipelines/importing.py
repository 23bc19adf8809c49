"""Bring predictions made elsewhere: .npy, .csv or .parquet, rows in the order of the competition's tables or with ids.

Columns are the classes, named by name or token, or unnamed in the competition's order. The models must never have trained
on the rows of --val; --declare says why: they are a hold-out of theirs, or out-of-fold predictions.

A submission alone, a CSV of ids and labels given as --test, becomes a label file: it never joins a stack, and votes (make vote).
"""

import csv
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.command import parser, run, say

if TYPE_CHECKING:
    from comp.competition import Competition
    from comp.paths import Paths


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--model", required=True, metavar="NAME", help="what to call the model here")
    arguments.add_argument("--val", type=Path, metavar="FILE", help="predictions of the train table's rows; not with a label file")
    arguments.add_argument("--test", type=Path, metavar="FILE", help="predictions of the sample submission's rows, or a label file")
    arguments.add_argument("--declare", choices=["holdout", "oof"], help="why the model never trained on the rows of --val, which need it")
    arguments.add_argument("--ids", type=Path, metavar="FILE", help="ids of the rows of --val, one a line or a CSV")
    arguments.add_argument("--test-ids", type=Path, metavar="FILE", help="ids of the rows of --test, one a line or a CSV")
    arguments.add_argument("--logits", action="store_true", help="the values are logits, not probabilities")
    options = arguments.parse_args()
    if options.val and not options.declare:
        arguments.error("--val needs --declare holdout or --declare oof: why the model never trained on these rows")

    from comp.competition import load_competition
    from comp.members import refuse_mixture
    from comp.paths import Paths

    competition, paths = load_competition(options.competition), Paths(options.competition)
    refuse_own_name(options.model, competition, paths)
    refuse_mixture(paths, options.model, "imported" if options.val else "hard")
    if options.val:
        bring_predictions(options, competition, paths)
    else:
        bring_labels(options, competition, paths)


def bring_predictions(options: Namespace, competition: "Competition", paths: "Paths") -> None:
    """Check and write the predictions of the train table's rows, and those of the test images where they are given.

    Raises:
        PredictionError: they are not what they should be; nothing is written.
    """
    from comp.competition import read_test_ids, read_train
    from comp.errors import PredictionError
    from comp.foreign import read_foreign
    from comp.predictions import Provenance, data_fingerprint

    train_ids, labels = read_train(competition, paths)
    provenance = Provenance(
        competition=competition.name,
        model=options.model,
        kind="imported",
        classes=competition.classes,
        data=data_fingerprint(train_ids, labels),
        declared=options.declare,
    )
    if options.test and is_label_file(options.test, competition):
        what = f"{options.test} is a label file, which says nothing of how sure {options.model} was"
        raise PredictionError(what, "give predictions as TEST=..., or leave VAL=... out and let the labels vote")
    train = read_foreign(options.val, options.ids, "train", train_ids, competition, provenance, logits=options.logits)
    test = None
    if options.test:
        test_ids = read_test_ids(competition, paths)
        test = read_foreign(options.test, options.test_ids, "test", test_ids, competition, provenance, logits=options.logits)
    paths.imported_test(options.model).unlink(missing_ok=True)  # an earlier import's must not stand beside these
    train.write(paths.imported(options.model))
    declared = f"declared never trained on ({options.declare})"
    say(f"{paths.imported(options.model)}: {len(train.ids)} rows of {competition.tables.train}, {declared}")
    say(meaning(options.declare, options.model, competition, paths))
    if test:
        test.write(paths.imported_test(options.model))
        say(f"{paths.imported_test(options.model)}: {len(test.ids)} rows of {competition.tables.test}")
    else:
        say("no stack can use it until its test predictions come with it: add TEST=...")


def bring_labels(options: Namespace, competition: "Competition", paths: "Paths") -> None:
    """Check and write a label file: decisions about exactly the ids of the sample submission, stored as logits of +-16.

    Raises:
        PredictionError: it is none, or holds anything that `make submit` would refuse.
    """
    import numpy as np

    from comp.competition import read_test_ids, read_train
    from comp.errors import PredictionError, SubmissionError
    from comp.metrics import logit
    from comp.predictions import Predictions, Provenance, data_fingerprint
    from comp.submission import check_submission, read_submission
    from pipelines.overlay import refuse_overlay

    path, columns = options.test, f"{competition.columns.id},{competition.columns.predicted}"
    if path is None:
        raise PredictionError("there is nothing to import", "give VAL=... and TEST=..., or a label file as TEST=submission.csv")
    if not is_label_file(path, competition):
        what = f"{path} is no label file (a CSV with the columns {columns}), and predictions alone cannot be judged"
        raise PredictionError(what, "add VAL=..., the same model's predictions of the train table's rows")
    given = {"--ids": options.ids, "--test-ids": options.test_ids, "--logits": options.logits}
    if unfit := [name for name, value in given.items() if value]:
        raise PredictionError(f"{path} is a label file, which has its own ids and no logits", f"leave out {', '.join(unfit)}")
    refuse_overlay(path, "import the submission that it was laid over")
    test_ids, (train_ids, labels) = read_test_ids(competition, paths), read_train(competition, paths)
    try:
        check_submission(path, competition, test_ids)
        ids, decisions = read_submission(path, competition)
    except SubmissionError as error:
        raise PredictionError(error.what, "correct it, or ask its maker for the file as it was submitted") from None
    data = data_fingerprint(train_ids, labels)
    provenance = Provenance(competition=competition.name, model=options.model, kind="hard", classes=competition.classes, data=data)
    made = Predictions(ids, np.full(len(ids), -1, np.int8), logit(decisions.astype(np.float32)), provenance)
    Predictions(test_ids, made.fold, made.aligned(test_ids), provenance).write(paths.hard(options.model))
    say(f"{paths.hard(options.model)}: labels of {len(ids)} rows of {competition.tables.test}")
    vote = f'make vote COMP={competition.name} MODELS="{options.model} ..."'
    say(f"a label file joins no stack, since nobody can score it here; let it vote: {vote}")


def is_label_file(path: Path, competition: "Competition") -> bool:
    """Whether a file is a CSV with exactly the columns of a submission.

    Raises:
        PredictionError: there is no such file.
    """
    from comp.errors import PredictionError

    if path.suffix != ".csv":
        return False
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = next(csv.reader(file), [])
    except FileNotFoundError:
        raise PredictionError(f"there is no {path}", "check the path") from None
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
    return sorted(header) == sorted([competition.columns.id, competition.columns.predicted])


def meaning(declared: str, model: str, competition: "Competition", paths: "Paths") -> str:
    """What was declared, what hangs on it, and how to declare otherwise."""
    whys = {"holdout": "they are a hold-out of its makers", "oof": "they are out-of-fold predictions"}
    other = "oof" if declared == "holdout" else "holdout"
    return (
        f"DECLARED: {model} never trained on these rows, because {whys[declared]} (DECLARE={declared}).\n"
        f"  If it did, no score of a stack with it can be trusted: remove {paths.model(model)}.\n"
        f"  If {whys[other]}, say so: make import COMP={competition.name} MODEL={model} VAL=... TEST=... DECLARE={other}"
    )


def refuse_own_name(model: str, competition: "Competition", paths: "Paths") -> None:
    """Raise PredictionError for a name that a model trained here has or could have (where there are images), or that is no file name."""
    import re

    from comp.errors import PredictionError

    if not re.fullmatch(r"\w[\w.-]*", model):
        raise PredictionError(f"MODEL={model} is no model name", "use letters, digits, '_', '-' and '.'")
    could_be = competition.images is not None and (paths.root / "configs" / "models" / f"{model}.yaml").exists()
    if could_be or any(paths.model(model).glob("fold-*.parquet")):
        then = f"give the imported one another: make import COMP={competition.name} MODEL={model}-imported ..."
        raise PredictionError(f"{model} is the name of a model trained here", then)


if __name__ == "__main__":
    run(main)
