"""The voters file of a fold: the training images whose labels vote for new images, with their embeddings."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from comp.base.errors import DamagedError
from comp.inference.tensor_file import read_tensors, write_tensors
from comp.neighbours.votes import Voters


def write_voters(path: Path, voters: Voters, provenance: Mapping[str, Any]) -> None:
    """Write them with what they were made from, as JSON; equal voters give equal bytes."""
    ids = np.frombuffer(json.dumps(list(voters.ids)).encode(), np.uint8)
    write_tensors(path, {"provenance": provenance}, {"vectors": voters.vectors, "labels": voters.labels, "ids": ids})


def read_voters(path: Path, again: str) -> tuple[Voters, dict[str, Any]]:
    """The voters, and what they were made from.

    Raises:
        DamagedError: the file is damaged or another one; `again` is what to type then.
        PredictionError: it is missing, cannot be read, or is of a later version.
    """
    about, tensors = read_tensors(path, again)
    try:
        made = dict(about["provenance"])
        found = Voters(tensors["vectors"], tensors["labels"], json.loads(tensors["ids"].tobytes()))
        if not len(found.vectors) == len(found.labels) == len(found.ids) or found.labels.shape[1] != len(made["classes"]):
            raise ValueError("lengths differ")
        return found, made
    except (KeyError, TypeError, ValueError, IndexError):
        raise DamagedError(f"{path} holds no voters", again) from None
