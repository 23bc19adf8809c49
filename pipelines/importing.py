"""Bring predictions made elsewhere: .npy, .csv or .parquet, rows in the order of the competition's tables or with ids.

Columns are the classes, named by name or token, or unnamed in the competition's order. The models must never have trained
on the rows of --val; --declare says why: they are a hold-out of theirs, or out-of-fold predictions.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.command import parser, run, say

if TYPE_CHECKING:
    from comp.competition import Competition
    from comp.paths import Paths


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--model", required=True, metavar="NAME", help="what to call the model here")
    arguments.add_argument("--val", required=True, type=Path, metavar="FILE", help="predictions of the train table's rows")
    arguments.add_argument("--test", type=Path, metavar="FILE", help="predictions of the sample submission's rows")
    arguments.add_argument("--declare", required=True, choices=["holdout", "oof"], help="why the model never trained on the rows of --val")
    arguments.add_argument("--ids", type=Path, metavar="FILE", help="ids of the rows of --val, one a line or a CSV")
    arguments.add_argument("--test-ids", type=Path, metavar="FILE", help="ids of the rows of --test, one a line or a CSV")
    arguments.add_argument("--logits", action="store_true", help="the values are logits, not probabilities")
    options = arguments.parse_args()

    from comp.competition import load_competition, read_test_ids, read_train
    from comp.foreign import read_foreign
    from comp.paths import Paths
    from comp.predictions import Provenance, data_fingerprint

    competition, paths = load_competition(options.competition), Paths(options.competition)
    refuse_own_name(options.model, competition, paths)
    train_ids, labels = read_train(competition, paths)
    provenance = Provenance(
        competition=competition.name,
        model=options.model,
        kind="imported",
        classes=competition.classes,
        data=data_fingerprint(train_ids, labels),
        declared=options.declare,
    )
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
