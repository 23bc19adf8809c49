"""Whether the files of a fold are complete and were made from the present inputs; if not, it is said what has changed."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from comp.base.errors import PredictionError
from comp.base.files import read_text
from comp.base.progress import say
from comp.base.schema import differences
from comp.predictions.embeddings import read_embeddings
from comp.predictions.image_identity import ImageIdentity, changes, read_identity
from comp.predictions.prediction_file import read_predictions
from comp.predictions.provenance import Provenance
from comp.training.fold_inputs import FoldInputs


def is_complete(inputs: FoldInputs, sources: Collection[str | None]) -> bool:
    """Whether the fold's files exist, are whole, and were made from the same inputs; if they were not, says why.

    Args:
        sources: what the files may name as the source of the initial weights.
    """
    job, paths = inputs.job, inputs.paths
    files = inputs.files
    if not inputs.tables.has_holdout:
        files.remove(paths.holdout_predictions(job.model, job.fold))
    if not all(file.exists() for file in files):
        return False
    record, embeddings = paths.run_record(job.model, job.fold), paths.embeddings(job.model, job.fold)
    files.remove(record)
    try:
        found = [read_embeddings(file) if file == embeddings else read_predictions(file) for file in files]
    except PredictionError as error:
        say(f"{error.what}; training again")
        return False
    made = [file.provenance for file in found]
    changed = next(filter(None, (_what_changed(inputs, each, sources) for each in made)), "") or _changed_images(inputs, made)
    if changed:
        say(f"{job.name} was made with {changed}; training again")
        return False
    if set(found[1].ids) != set(inputs.tables.test_ids):
        return False
    if read_record(record) is None:
        say(f"{record} is damaged, so nothing is known of that run; its predictions are whole")
    return True


def read_record(path: Path) -> dict[str, Any] | None:
    """The record of a run; None if it is missing or damaged."""
    try:
        record = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("experiment", {}), dict) else None


def check_places(inputs: FoldInputs) -> None:
    """Check that every file of the fold can be written, before hours are spent on it.

    Raises:
        PredictionError: a folder is in the place of a file, or a file in that of the model's folder.
    """
    folder = inputs.paths.model(inputs.job.model)
    if folder.exists() and not folder.is_dir():
        raise PredictionError(f"{folder} is a file, and the model needs a folder there", "remove it, then type the command again")
    for path in (*inputs.files, inputs.paths.experiment(inputs.job.model), inputs.checkpoint):
        if path.is_dir():
            raise PredictionError(f"{path} is a folder, and a file is to be written there", "remove it, then type the command again")


def _what_changed(inputs: FoldInputs, made: Provenance, sources: Collection[str | None]) -> str:
    """What differs between a file and the present inputs, images apart; empty if nothing does."""
    same = made.initial_weights in sources and all(getattr(made, key) == value for key, value in inputs.origin().items())
    if same and made.classes == inputs.classes:
        return ""
    record, now = read_record(inputs.paths.run_record(inputs.job.model, inputs.job.fold)), inputs.experiment.model_dump(mode="json")
    before = record and record.get("experiment")
    if changed := differences(before, now) if before else []:
        return ", ".join(changed)
    if made.classes != inputs.classes:
        return f"the classes {', '.join(made.classes)}, now {', '.join(inputs.classes)}"
    return f"other {'' if before else 'settings, '}folds, data, initial weights or embeddings"


def _changed_images(inputs: FoldInputs, made: Sequence[Provenance]) -> str:
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
