"""What the record of a fold's run says that the article's table shows."""

from pydantic import BaseModel

from comp.base.errors import PredictionError
from comp.base.files import read_text
from comp.base.paths import Paths


class TrainedFor(BaseModel):
    lr: float
    epochs: int


class TrainedWith(BaseModel):
    size: int
    train: TrainedFor


class RunRecord(BaseModel):
    experiment: TrainedWith
    train_images: int
    seconds: float


def read_record(paths: Paths, model: str, fold: int) -> RunRecord:
    """The record of a fold's run.

    Raises:
        PredictionError: it is missing or damaged.
    """
    path = paths.run_record(model, fold)
    try:
        return RunRecord.model_validate_json(read_text(path))
    except (OSError, ValueError):  # pydantic's own errors are ValueErrors
        then = f"remove it, then train that fold again: make fold-{fold} COMP={paths.competition} MODEL={model}"
        raise PredictionError(f"{path} is missing or damaged", then) from None
