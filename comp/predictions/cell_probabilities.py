"""The file of cells: what the network of one fold says of each cell of the images that it was not trained on."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from comp.predictions.prediction_file import KEY
from comp.predictions.provenance import Provenance
from comp.predictions.sealed_table import write_sealed


@dataclass(frozen=True, eq=False)
class CellProbabilities:
    """Probabilities of M cells.

    Attributes:
        ids: (M,) of the images.
        fold: (M,) int8 of the images; -1 for the hold-out and the test set.
        cells: (M,) numbers in the masks; 0 for an image in which no cell was found.
        probabilities: (M, classes) float32.
    """

    ids: tuple[str, ...]
    fold: NDArray[np.int8]
    cells: NDArray[np.int32]
    probabilities: NDArray[np.float32]
    provenance: Provenance

    def write(self, path: Path) -> None:
        """Write a Parquet table with the columns id, fold, cell and one for each class, under its name."""
        classes = list(self.provenance.classes)
        metadata = {KEY: json.dumps(self.provenance.model_dump(mode="json"), sort_keys=True).encode()}
        columns = [("id", pa.string()), ("fold", pa.int8()), ("cell", pa.int32()), *[(name, pa.float32()) for name in classes]]
        schema = pa.schema(columns, metadata)
        write_sealed(path, pa.table([self.ids, self.fold, self.cells, *self.probabilities.T], schema), as_bytes=classes)
