"""Files of tensors: safetensors with a JSON value about them, and a checksum over everything."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from comp.base.errors import DamagedError, PredictionError
from comp.base.files import atomic_write, read_bytes, regular

KEY = "comp"  # of the metadata: a single one, because safetensors writes several in any order
VERSION = 1
LENGTH_BYTES = 8  # the file begins with the length of its header
LONGEST_HEADER = 100_000_000  # bytes, as safetensors itself has it


def write_tensors(path: Path, about: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write tensors and the JSON value `about`; equal contents give equal bytes."""
    tensors = {name: np.ascontiguousarray(tensor).reshape(tensor.shape) for name, tensor in tensors.items()}
    about = json.loads(_text({**about, "version": VERSION}))
    metadata = _text({"about": about, "sha256": digest(about, tensors)})
    with atomic_write(path) as file:
        file.write(save(tensors, {KEY: metadata}))


def read_tensors(path: Path, again: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What `write_tensors` wrote.

    Raises:
        DamagedError: it is damaged, or another file; `again` is what to type then.
        PredictionError: it is missing, cannot be read, or is of a later version.
    """
    try:
        data = read_bytes(path)
    except FileNotFoundError:
        raise PredictionError(f"there is no {path}", again) from None
    except OSError as error:
        raise PredictionError(f"{path} cannot be read ({error.strerror})", again) from None
    try:
        tensors = load(data)
        header = json.loads(data[LENGTH_BYTES : LENGTH_BYTES + int.from_bytes(data[:LENGTH_BYTES], "little")])
    except (SafetensorError, ValueError, RecursionError):
        raise DamagedError(f"{path} is damaged: it cannot be read as safetensors", again) from None
    try:
        metadata = json.loads(header["__metadata__"][KEY])
        about, written = metadata["about"], metadata["sha256"]
        version = about["version"]
    except (KeyError, TypeError, ValueError, RecursionError):
        raise DamagedError(f"{path} was not written by this toolkit", again) from None
    if written != digest(about, tensors):
        raise DamagedError(f"{path} is damaged: its content is not what was written", again)
    if version != VERSION:
        raise PredictionError(f"{path} has version {version}, and this toolkit reads {VERSION}", again)
    return about, tensors


def read_about(path: Path) -> dict[str, Any] | None:
    """The JSON value about the tensors, without reading them; None if the file was not written by this toolkit, or is damaged.

    It has a "provenance".
    """
    try:
        with open(path, "rb", opener=regular) as file:
            length = int.from_bytes(file.read(LENGTH_BYTES), "little")
            header = json.loads(file.read(length if length < LONGEST_HEADER else 0))
        found = json.loads(header["__metadata__"][KEY])["about"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("provenance"), dict) else None


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def digest(about: Any, tensors: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 of the JSON value, and of the names, types, shapes and values of the tensors."""
    found = hashlib.sha256(_text(about).encode())
    for name in sorted(tensors):
        tensor = np.ascontiguousarray(tensors[name])
        found.update(_text([name, tensor.dtype.str, tensors[name].shape]).encode())
        found.update(tensor.reshape(-1).view(np.uint8).data)
    return found.hexdigest()
