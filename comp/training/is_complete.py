"""Whether the files of a fold are complete; finished files that were made otherwise are an error."""

from comp.base.errors import PredictionError
from comp.base.progress import say
from comp.predictions.embeddings import Embeddings, read_embeddings
from comp.predictions.prediction_file import Predictions, read_predictions
from comp.training.fold_inputs import FoldInputs
from comp.training.kept_files import fault_in_kept
from comp.training.made_otherwise import changed_images, changed_inputs, only_prediction_differs, refusal
from comp.training.run_record import read_record


def is_complete(inputs: FoldInputs, source: str | None) -> bool:
    """Whether the fold's files exist, are whole, and were made from the present inputs. Damaged files are named.

    Args:
        source: where the initial weights come from; None for a model without a network.

    Raises:
        PredictionError: finished files were made from other inputs, and the job does not ask to replace them.
    """
    job, paths = inputs.job, inputs.paths
    files = inputs.files
    if not paths.fold_predictions(job.model, job.fold).exists():
        return False  # it is written last
    if not inputs.tables.has_holdout:
        files.remove(paths.holdout_predictions(job.model, job.fold))
    record, embeddings = paths.run_record(job.model, job.fold), paths.embeddings(job.model, job.fold)
    found: list[Predictions | Embeddings] = []
    for file in files:
        if file == record or not file.exists():
            continue
        try:
            found.append(read_embeddings(file) if file == embeddings else read_predictions(file))
        except PredictionError as error:
            say(f"{error.what}; making it again")
    made = [file.provenance for file in found]
    changed = next(filter(None, (changed_inputs(inputs, job.fold, each, source) for each in made)), "") or changed_images(inputs, made)
    if not changed and any(file.provenance.kind == "test" and set(file.ids) != set(inputs.tables.test_ids) for file in found):
        changed = "other test images"
    if changed and not changed_images(inputs, made) and all(only_prediction_differs(inputs, job.fold, each, source) for each in made):
        say(f"{job.name} was predicted with {changed}; predicting again")
        return False
    if changed:
        if not job.retrain:
            raise refusal(job, f"{job.name} was made with {changed}")
        say(f"{job.name} was made with {changed}; training again, as RETRAIN=1 asks")
        return False
    if len(found) < len(files) - 1 or not record.exists():
        return False
    oof = next(file.provenance for file in found if file.provenance.kind == "oof")
    if job.retrain and job.keep and (fault := fault_in_kept(paths, inputs.experiment.model_dump(mode="json"), oof)):
        say(f"{fault}; making it again, as RETRAIN=1 asks")
        return False
    if read_record(record) is None:
        say(f"{record} is damaged, so nothing is known of that run; its predictions are whole")
    return True


def check_places(inputs: FoldInputs) -> None:
    """Check that every file of the fold can be written, before hours are spent on it.

    Raises:
        PredictionError: a folder is in the place of a file, or a file in that of the model's folder.
    """
    folder = inputs.paths.model(inputs.job.model)
    if folder.exists() and not folder.is_dir():
        raise PredictionError(f"{folder} is a file, and the model needs a folder there", "remove it, then type the command again")
    for path in (*inputs.files, inputs.weights, inputs.voters, inputs.paths.experiment(inputs.job.model), inputs.checkpoint):
        if path.is_dir():
            raise PredictionError(f"{path} is a folder, and a file is to be written there", "remove it, then type the command again")
