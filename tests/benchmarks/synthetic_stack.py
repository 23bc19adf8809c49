"""A competition without images and with synthetic predictions: a folder with all that `python -m pipelines.stack` needs."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from comp.base.paths import Paths
from comp.competition.labels import LabelSpace
from comp.folds.fold_map import HOLDOUT, FoldMap
from comp.predictions.prediction_file import Predictions
from comp.predictions.provenance import Provenance, data_fingerprint
from comp.stacking.prediction_set import PredictionSet

NAME = "synthetic"
TEST = 0.376  # test images per train image, as in the HPA competition
CONFIGS = Path(__file__).parents[2] / "configs" / "stacks"


def write_competition(root: Path, labelled: PredictionSet, name: str = NAME) -> None:
    """Write the YAML, tables, fold map and imported models of labelled predictions. The first rows are the test rows too."""
    paths, classes = Paths(name, root), tuple(str(number) for number in range(labelled.logits.shape[2]))
    count = round(TEST * len(labelled))
    ids = tuple(f"train-{row:06d}" for row in range(len(labelled)))
    test_ids = tuple(f"test-{row:06d}" for row in range(count))
    shutil.copytree(CONFIGS, root / "configs" / "stacks", dirs_exist_ok=True)
    settings = {
        "title": "Synthetic",
        "data": f"data/{name}",
        "images": None,
        "classes": list(classes),
        "folds": {"count": len(np.unique(labelled.folds))},
    }
    for folder in (root / "configs" / "competitions", root / "data" / name):
        folder.mkdir(parents=True, exist_ok=True)
    (root / "configs" / "competitions" / f"{name}.yaml").write_text(yaml.safe_dump(settings))
    strings = LabelSpace.numbered(classes).strings(labelled.known_labels)
    pd.DataFrame({"Id": ids, "Target": strings}).to_csv(root / "data" / name / "train.csv", index=False)
    pd.DataFrame({"Id": test_ids, "Predicted": "0"}).to_csv(root / "data" / name / "sample_submission.csv", index=False)
    FoldMap(ids, labelled.folds, tuple(map(str, labelled.groups))).write(paths.folds())
    for model, logits in zip(labelled.models, labelled.logits, strict=True):
        origin = Provenance(
            competition=name,
            model=model,
            kind="imported",
            classes=classes,
            declared="oof",
            data=data_fingerprint(ids, labelled.known_labels),
        )
        for path, path_ids, values in ((paths.imported(model), ids, logits), (paths.imported_test(model), test_ids, logits[:count])):
            Predictions(path_ids, np.full(len(path_ids), HOLDOUT, np.int8), values, origin).write(path)
