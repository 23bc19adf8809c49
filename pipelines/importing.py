"""Import predictions made elsewhere: .npy, .csv or .parquet, with rows in the order of the competition's tables or with ids.

Columns are the classes: named by name or token, or unnamed in the competition's order. The model must never have been trained on
the rows of --val. --declare says why: they are a hold-out of its makers, or the predictions are out-of-fold.

A submission alone (a CSV of ids and labels, given as --test) becomes a label file: it can vote (make vote) but not join a stack.
"""

from argparse import Namespace
from pathlib import Path

from comp.base.errors import PredictionError
from comp.base.paths import Paths
from comp.base.progress import say
from comp.competition.competition import Competition, load_competition
from comp.predictions.imported_table import ImportedTable
from comp.predictions.imports import check_model_name, import_predictions
from comp.predictions.model_files import check_one_kind
from comp.submission.label_files import import_label_file, is_label_file
from pipelines.command import parser, run


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--model", required=True, metavar="NAME", help="what to call the model here")
    arguments.add_argument("--val", type=Path, metavar="FILE", help="predictions of the train table's rows; not with a label file")
    arguments.add_argument("--test", type=Path, metavar="FILE", help="predictions of the sample submission's rows, or a label file")
    arguments.add_argument("--declare", choices=["holdout", "oof"], help="why the model was never trained on the rows of --val")
    arguments.add_argument("--ids", type=Path, metavar="FILE", help="ids of the rows of --val, one a line or a CSV")
    arguments.add_argument("--test-ids", type=Path, metavar="FILE", help="ids of the rows of --test, one a line or a CSV")
    arguments.add_argument("--logits", action="store_true", help="the values are logits, not probabilities")
    options = arguments.parse_args()
    if options.val and not options.declare:
        arguments.error("--val needs --declare holdout or --declare oof: why the model was never trained on these rows")

    competition, paths = load_competition(options.competition), Paths(options.competition)
    check_model_name(options.model, competition, paths)
    check_one_kind(paths, options.model, "imported" if options.val else "label_only")
    if options.val:
        bring_predictions(options, competition, paths)
    else:
        bring_labels(options, competition, paths)


def bring_predictions(options: Namespace, competition: Competition, paths: Paths) -> None:
    if options.test and is_label_file(options.test, competition):
        what = f"{options.test} is a label file, which does not say how sure {options.model} was"
        raise PredictionError(what, "give predictions as TEST=..., or leave VAL=... out and let the labels vote")
    train = ImportedTable(options.val, "train", options.ids, options.logits)
    test = ImportedTable(options.test, "test", options.test_ids, options.logits) if options.test else None
    on_train, on_test = import_predictions(competition, options.model, options.declare, train, test)
    say(
        f"{paths.imported(options.model)}: {len(on_train.ids)} rows of {competition.tables.train}, "
        f"declared never trained on ({options.declare})"
    )
    say(meaning(options.declare, options.model, competition, paths))
    if on_test:
        say(f"{paths.imported_test(options.model)}: {len(on_test.ids)} rows of {competition.tables.test}")
    else:
        say("a stack needs its test predictions too: add TEST=...")


def bring_labels(options: Namespace, competition: Competition, paths: Paths) -> None:
    path, columns = options.test, f"{competition.columns.id},{competition.columns.predicted}"
    if path is None:
        raise PredictionError("there is nothing to import", "give VAL=... and TEST=..., or a label file as TEST=submission.csv")
    if not is_label_file(path, competition):
        what = f"{path} is not a label file (a CSV with the columns {columns}), and test predictions alone cannot be scored"
        raise PredictionError(what, "add VAL=..., the same model's predictions of the train table's rows")
    given = {"--ids": options.ids, "--test-ids": options.test_ids, "--logits": options.logits}
    if unfit := [name for name, value in given.items() if value]:
        raise PredictionError(f"{path} is a label file, which has its own ids and no logits", f"leave out {', '.join(unfit)}")
    made = import_label_file(path, competition, options.model)
    say(f"{paths.label_only(options.model)}: labels of {len(made.ids)} rows of {competition.tables.test}")
    vote = f'make vote COMP={competition.name} MODELS="{options.model} ..."'
    say(f"a label file cannot be scored here, so it joins no stack; let it vote: {vote}")


def meaning(declared: str, model: str, competition: Competition, paths: Paths) -> str:
    """What was declared, what depends on it, and how to declare otherwise."""
    reasons = {"holdout": "they are a hold-out of its makers", "oof": "the predictions are out-of-fold"}
    other = "oof" if declared == "holdout" else "holdout"
    return (
        f"DECLARED: {model} was never trained on these rows, because {reasons[declared]} (DECLARE={declared}).\n"
        f"  If it was, no score of a stack with it can be trusted: remove {paths.model(model)}.\n"
        f"  If {reasons[other]}, say so: make import COMP={competition.name} MODEL={model} VAL=... TEST=... DECLARE={other}"
    )


if __name__ == "__main__":
    run(main)
