"""A competition without images whose models' predictions are drawn: all that `python -m pipelines.stack` needs, in a folder."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from comp.folds import HOLDOUT, Folds
from comp.labels import LabelSpace
from comp.paths import Paths
from comp.predictions import Predictions, Provenance, data_fingerprint
from comp.rows import Rows

NAME = "drawn"
TEST = 0.376  # test images for each train image, as in the competition
CONFIGS = Path(__file__).parents[2] / "configs" / "stacks"


def write_competition(root: Path, rows: Rows) -> None:
    """The YAML, tables, fold map and imported models of labelled rows; the first of them are the test rows too."""
    paths, classes = Paths(NAME, root), tuple(str(number) for number in range(rows.logits.shape[2]))
    count = round(TEST * len(rows))
    ids = tuple(f"train-{row:06d}" for row in range(len(rows)))
    test_ids = tuple(f"test-{row:06d}" for row in range(count))
    shutil.copytree(CONFIGS, root / "configs" / "stacks")
    settings = {
        "title": "Drawn",
        "data": f"data/{NAME}",
        "images": None,
        "classes": list(classes),
        "folds": {"count": len(np.unique(rows.folds))},
    }
    for folder in (root / "configs" / "competitions", root / "data" / NAME):
        folder.mkdir(parents=True)
    (root / "configs" / "competitions" / f"{NAME}.yaml").write_text(yaml.safe_dump(settings))
    strings = LabelSpace.numbered(classes).strings(rows.known_labels)
    pd.DataFrame({"Id": ids, "Target": strings}).to_csv(root / "data" / NAME / "train.csv", index=False)
    pd.DataFrame({"Id": test_ids, "Predicted": "0"}).to_csv(root / "data" / NAME / "sample_submission.csv", index=False)
    Folds(ids, rows.folds, tuple(map(str, rows.groups))).write(paths.folds())
    for model, logits in zip(rows.models, rows.logits, strict=True):
        origin = Provenance(
            competition=NAME, model=model, kind="imported", classes=classes, declared="oof", data=data_fingerprint(ids, rows.known_labels)
        )
        for path, named, values in ((paths.imported(model), ids, logits), (paths.imported_test(model), test_ids, logits[:count])):
            Predictions(named, np.full(len(named), HOLDOUT, np.int8), values, origin).write(path)
