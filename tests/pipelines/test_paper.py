"""`make paper QUICK=1` with its networks replaced by tiny ones; the figures against scikit-learn's."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from comp.metrics import macro_f1
from comp.predictions import read_predictions
from comp.rows import Rows
from pipelines.paper_scores import RULE, tuned_across
from pipelines.paper_table import SYSTEMS

TINY = """
trainer: keras
backbone: AllCNN
weights: scratch
size: {size}
channels: {{name: rgb}}
augmentation: {{name: none}}
rare: {{below: 12, target: 12}}
{labels}
train: {{epochs: 1, batch_size: 8, lr: 1.0e-3}}
"""
ARTICLE = "like: tiny\ntitle: Small\ndata: data/tiny\nfolds: {count: 3, holdout: 0.25, duplicates: false}\n"


@pytest.fixture
def small(project):
    (project.root / "configs/competitions/article.yaml").write_text(ARTICLE)
    for system in SYSTEMS:
        size, labels = 64 if "high" in system.model else 16, "labels: {top: 2}" if "nine" in system.model else ""
        (project.root / f"configs/models/{system.model}.yaml").write_text(TINY.format(size=size, labels=labels))
    return project


def test_the_quick_table_has_every_row_and_only_measured_figures(small):
    ended = small.call("paper", "--quick", "--workers", "1")
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    found = json.loads((small.root / "oof/article/paper.json").read_text())
    assert set(found) == {system.model for system in SYSTEMS if "high" not in system.model}
    labels = pd.read_csv(small.root / "data/tiny/train.csv", index_col="Id", keep_default_na=False)["Target"]
    for system in SYSTEMS:
        line = next(line for line in lines if line.startswith(system.name + "  "))
        if system.model not in found:
            assert "not run" in line
            assert f"{system.name}: not run, its 64 pixels are more than the 32 x 32 of the images, and enlarging adds nothing" in lines
            continue
        for kind, key in (("fold", "half"), ("holdout", "held_half")):
            predictions = read_predictions(small.root / f"oof/article/{system.model}/{kind}-0.parquet")
            columns = [("round", "bright", "striped").index(name) for name in predictions.provenance.classes]
            truth = np.array([[str(column) in labels[image_id].split() for column in columns] for image_id in predictions.ids])
            expected = f1_score(truth, predictions.logits > 0, average="macro", zero_division=0)
            assert found[system.model][key]["value"] == pytest.approx(expected)
            assert f"{100 * expected:.2f} +- " in line
        assert f"{system.reported:.2f}" in line
        assert found[system.model]["classes"] == (2 if "nine" in system.model else 3)
    assert next(line for line in lines if line.startswith("people ")).split() == ["people", "71.0"]
    held = next(iter(found.values()))["held_rows"]
    rows = found["keras-allcnn"]["rows"]
    assert f"data: article (data/tiny), {rows} images in 1 of 3 folds, {held} of the hold-out" in lines
    assert not list((small.root / "oof/article/keras-allcnn").glob("fold-[12].parquet"))

    again = small.call("paper", "--quick", "--workers", "1")
    assert "keras-allcnn fold 0: complete, nothing to do" in again.stdout
    assert "scored before" not in again.stdout
    path = small.root / "configs/models/keras-allcnn.yaml"
    path.write_text(path.read_text() + "seed: 1\n")
    assert "the hold-out was scored before with other predictions of keras-allcnn;" in small.call("paper", "--quick").stdout


def test_thresholds_decide_about_images_that_they_were_not_fitted_to():
    generator = np.random.default_rng(0)
    labels = generator.random((200, 3)) < (0.3, 0.1, 0.05)
    logits = (generator.normal(size=(200, 3)) + 2 * labels).astype(np.float32)
    rows = Rows(logits[None], ("net",), np.repeat(np.arange(4), 50).astype(np.int8), np.arange(200), labels)
    found = tuned_across(rows)
    for fold in range(4):
        own = rows.folds == fold
        np.testing.assert_array_equal(found[own], logits[own] >= RULE.fit(rows.take(~own)))
    assert macro_f1(labels, found) < macro_f1(labels, logits >= RULE.fit(rows))


def test_without_a_competition_of_images_it_says_so(small):
    (small.root / "configs/competitions/article.yaml").write_text(ARTICLE + "images:\n")
    assert "has tables and no images" in small.refused(small.call("paper", "--quick"))
