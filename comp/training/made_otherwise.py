"""What differs between what a fold or a checkpoint was made from and what is asked for now, in words."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any

from comp.base.errors import CompError, PredictionError
from comp.base.paths import LONGEST_NAME, Paths
from comp.base.schema import differences
from comp.competition.experiments.experiment import NetworkExperiment
from comp.inference.weights import read_weights
from comp.predictions.image_identity import ImageIdentity, changes, read_identity
from comp.predictions.prediction_file import read_predictions
from comp.predictions.provenance import Provenance
from comp.training.fold_inputs import FoldInputs
from comp.training.fold_job import FoldJob
from comp.training.run_record import read_record

IN_WORDS = {  # hashes, which say nothing to a reader
    "folds": "another fold map", "data": "another train table", "images": "other images", "depends_on": "embeddings of other networks",
    "extra": "another table of extra rows",
}  # fmt: skip


def what_differs(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What differs between two runs, e.g. "train.epochs=20, now 2, another fold map"; empty if nothing does.

    Args:
        before, now: "settings" (None if they are not known any more), "versions", "classes", and so on -> value or hash.
    """
    found = []
    for key, new in now.items():
        old = before.get(key)
        if old == new:
            continue
        if key in IN_WORDS:
            found.append(IN_WORDS[key])
        elif isinstance(old, dict) and isinstance(new, dict):
            found += differences(old, new)
        elif isinstance(new, dict):
            found.append(f"other {key}")
        else:
            found.append(f"{key} {_listed(old)}, now {_listed(new)}")
    return ", ".join(found)


def changed_inputs(inputs: FoldInputs, fold: int, made: Provenance, source: str | None) -> str:
    """What differs between a prediction file of a fold and the present inputs, images apart; empty if nothing does.

    Args:
        source: where the initial weights come from; None for a model without a network.
    """
    now: dict[str, Any] = {**inputs.origin(), "classes": inputs.classes}
    before = {key: getattr(made, key) for key in now}
    if before.pop("experiment") != now.pop("experiment"):
        record = read_record(inputs.paths.run_record(inputs.job.model, fold)) or {}
        before["settings"], now["settings"] = record.get("experiment"), inputs.experiment.model_dump(mode="json")
        if before["settings"] == now["settings"]:
            before["settings"] = None  # the record is of another run
    if made.initial_weights != source:
        before["initial_weights"], now["initial_weights"] = made.initial_weights, source
    return what_differs(before, now)


def only_prediction_differs(inputs: FoldInputs, fold: int, made: Provenance, source: str | None) -> bool:
    """Whether a finished fold differs from what is asked for in settings of prediction alone, and can predict again without training.

    Args:
        source: where the initial weights come from; None for a model without a network.
    """
    origin = inputs.origin()
    if any(getattr(made, key) != origin.get(key) for key in ("folds", "data", "depends_on", "extra")) or made.classes != inputs.classes:
        return False
    paths, model, wanted = inputs.paths, inputs.job.model, inputs.experiment.training_settings
    if not isinstance(inputs.experiment, NetworkExperiment):
        record = read_record(paths.run_record(model, fold)) or {}
        before = {key: value for key, value in record.get("experiment", {}).items() if key not in inputs.experiment.of_prediction}
        return before == json.loads(json.dumps(wanted))
    try:
        found = read_weights(paths.weights(model, fold), "")
    except PredictionError:
        return False
    trained_with = {key: found.provenance[key] for key in ("folds", "data", "images", "initial_weights")}
    return found.settings == json.loads(json.dumps(wanted)) and trained_with == {
        "folds": origin["folds"], "data": origin["data"], "images": made.images, "initial_weights": source,
    }  # fmt: skip


def changed_images(inputs: FoldInputs, made: Collection[Provenance]) -> str:
    """Which images differ between files and the present ones; empty if none do, and for files of earlier versions, which do not say."""
    said = sorted({each.images for each in made if each.images})
    caches = inputs.images() if said else {}
    if not caches:
        return ""
    now = ImageIdentity.of(caches)
    other = next((images for images in said if images != now.hash), None)
    if other is None:
        return ""
    before = read_identity(inputs.paths, other)
    return f"other images ({changes(before, now)})" if before else "other images"


def check_finished(job: FoldJob) -> None:
    """Check that the finished folds of a job's model were made as the job would make them: a stack needs all folds of a model alike.

    Images, and the content of a file of initial weights, are compared at each fold's turn.

    Raises:
        PredictionError: one was made otherwise, and the job does not ask to replace it.
    """
    paths = Paths(job.competition)
    if job.retrain or not any(paths.model(job.model).glob("fold-*.parquet")):
        return
    try:
        inputs = FoldInputs.read(job)
    except CompError:
        return  # something is missing, which is made or named next
    for fold, made in _finished(inputs):
        changed = changed_inputs(inputs, fold, made, made.initial_weights)
        if changed and not only_prediction_differs(inputs, fold, made, made.initial_weights):
            alike = "" if fold == job.fold else ", and all folds of a model must be alike"
            raise refusal(job, f"{job.model} fold {fold} was made with {changed}{alike}")


def unlike_folds(job: FoldJob) -> str:
    """A line about the finished folds of a model that were made otherwise than the job's fold; empty if there are none."""
    inputs = FoldInputs.read(job)
    finished = dict(_finished(inputs))
    source = finished[job.fold].initial_weights
    changed = {fold: what for fold, made in finished.items() if (what := changed_inputs(inputs, fold, made, source))}
    if not changed:
        return ""
    settings = f' SET="{job.settings}"' if job.settings else ""
    again = f"make model COMP={job.competition} MODEL={job.model}{settings}"
    if not all(only_prediction_differs(inputs, fold, finished[fold], source) for fold in changed):
        again += " RETRAIN=1"
    folds = f"fold{'s' if len(changed) > 1 else ''} {', '.join(map(str, changed))}"
    return f"note: {folds} of {job.model} were made with {next(iter(changed.values()))}; a stack needs all folds alike: {again}"


def _finished(inputs: FoldInputs) -> Iterator[tuple[int, Provenance]]:
    """The finished folds of a model, and how they were made; damaged ones are left out, as their own turn names them."""
    for fold in range(inputs.tables.folds.count):
        path = inputs.paths.fold_predictions(inputs.job.model, fold)
        if path.exists():
            with suppress(PredictionError):
                yield fold, read_predictions(path).provenance


def refusal(job: FoldJob, what: str) -> PredictionError:
    """The error that keeps finished predictions, with the three ways out."""
    then = f"keep both with AS={_other_name(job)}, replace what is there with RETRAIN=1, or go back to what it was made with"
    return PredictionError(what, then)


def _other_name(job: FoldJob) -> str:
    """A name for the model with the job's settings: densenet121-size1024."""
    key, _, value = job.settings.partition(" ")[0].rpartition(".")[2].partition("=")
    more = re.sub(r"[^A-Za-z0-9]", "", key + value) or "2"
    return f"{job.model}-{more}"[:LONGEST_NAME]


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
