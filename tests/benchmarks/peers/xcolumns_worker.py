"""Runs xCOLUMNs in its own environment (.venv-peers), see `worker.serve`.

{"do": "decide", "folder": F} writes decisions.npy (H, C) from probs.npy (H, C), calibrated probabilities: those of the highest expected
macro F1 on exactly these rows (Schultheis et al. 2023, "Generalized test utilities for long-tail performance in extreme multi-label
classification").
"""

from pathlib import Path
from typing import Any

import numpy as np
from xcolumns.block_coordinate import predict_optimizing_macro_f1_score_using_bc  # type: ignore[import-not-found]

from tests.benchmarks.peers.worker import serve


def decide(folder: str) -> dict[str, Any]:
    probs = np.load(Path(folder, "probs.npy"))
    decisions = predict_optimizing_macro_f1_score_using_bc(probs, k=0, seed=0)  # k=0: any number of labels in a row
    np.save(Path(folder, "decisions.npy"), decisions > 0)
    return {}


if __name__ == "__main__":
    serve({"decide": decide})
