"""`make article QUICK=1` with its networks replaced by tiny ones; the figures against scikit-learn's."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from comp.metrics.bootstrap import Estimate
from comp.metrics.macro_f1 import macro_f1
from comp.predictions.prediction_file import read_predictions
from comp.stacking.article_scores import RULE, Scores, tuned_across, write_scores
from comp.stacking.article_systems import SYSTEMS
from comp.stacking.prediction_set import PredictionSet

TINY = """
trainer: keras
backbone: AllCNN
initial_weights: scratch
size: {size}
channels: {{name: rgb}}
augmentation: {{name: none}}
rare: {{below: 12, target: 12}}
{labels}
train: {{epochs: 1, batch_size: 8, lr: 1.0e-3}}
"""
TRAINED = {"keras-allcnn", "keras-densenet121-nine"}  # the others ask for more pixels than there are
ARTICLE = "like: tiny\ntitle: Small\ndata: data/tiny\nfolds: {count: 3, holdout: 0.25, duplicates: false}\n"


@pytest.fixture
def small(project):
    (project.root / "configs/competitions/article.yaml").write_text(ARTICLE)
    for system in SYSTEMS:
        size, labels = 16 if system.model in TRAINED else 64, "labels: {top: 2}" if "nine" in system.model else ""
        (project.root / f"configs/models/{system.model}.yaml").write_text(TINY.format(size=size, labels=labels))
    return project


def test_the_quick_table_has_every_row_and_only_measured_figures(small):
    ended = small.call("article", "--quick", "--workers", "2")
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    found = json.loads((small.root / "oof/article/article.json").read_text())
    assert set(found) == TRAINED
    labels = pd.read_csv(small.root / "data/tiny/train.csv", index_col="Id", keep_default_na=False)["Target"]
    for system in SYSTEMS:
        line = next(line for line in lines if line.startswith(system.name + "  "))
        if system.model not in found:
            assert "not run" in line
            assert (
                f"{system.name}: not run, its input of 64 pixels is larger than the images of 32 x 32, and enlarging adds nothing" in lines
            )
            continue
        for kind, key in (("fold", "at_half"), ("holdout", "holdout_at_half")):
            predictions = read_predictions(small.root / f"oof/article/{system.model}/{kind}-0.parquet")
            columns = [("round", "bright", "striped").index(name) for name in predictions.provenance.classes]
            truth = np.array([[str(column) in labels[image_id].split() for column in columns] for image_id in predictions.ids])
            expected = f1_score(truth, predictions.logits > 0, average="macro", zero_division=0)
            assert found[system.model][key]["value"] == pytest.approx(expected)
            assert f"{100 * expected:.2f} +- " in line
            if kind == "fold":
                constant = f1_score(truth, np.ones_like(truth), average="macro", zero_division=0)
                assert found[system.model]["constant"] == pytest.approx(constant)
        assert [cell in line for cell in (f"{system.reported:.2f}", "  scratch  ", f"{100 * constant:.2f}")] == [True] * 3
        assert found[system.model]["classes"] == (2 if "nine" in system.model else 3)
    assert next(line for line in lines if line.startswith("people ")).split() == ["people", "71.0"]
    held = next(iter(found.values()))["holdout_images"]
    images = found["keras-allcnn"]["images"]
    assert f"data: article (data/tiny), {images} images in 1 of 3 folds, {held} of the hold-out" in lines
    assert not list((small.root / "oof/article/keras-allcnn").glob("fold-[12].parquet"))


def test_scoring_the_hold_out_again_with_other_predictions_is_named(tmp_path, capsys):
    once = Estimate(0.5, 0.1)
    scores = Scores(3, 16, 0.01, 1, "scratch", 0.1, once, once, once, once, 10, 5, 20, 1.0, {"holdout-0.parquet": "abc"})
    other = replace(scores, files={"holdout-0.parquet": "def"})
    path = tmp_path / "article.json"
    write_scores(path, {"net": scores})
    write_scores(path, {"net": scores})
    assert capsys.readouterr().out == ""
    write_scores(path, {"net": other})
    assert "the hold-out was scored before with other predictions of net;" in capsys.readouterr().out
    assert json.loads(path.read_text())["net"]["files"] == other.files
    path.write_text("{")
    write_scores(path, {"net": scores})
    assert "cannot be read and will be replaced" in capsys.readouterr().out
    assert json.loads(path.read_text())["net"]["files"] == scores.files


def test_thresholds_are_fitted_to_other_images_than_those_they_decide_about():
    generator = np.random.default_rng(0)
    labels = generator.random((200, 3)) < (0.3, 0.1, 0.05)
    logits = (generator.normal(size=(200, 3)) + 2 * labels).astype(np.float32)
    predictions = PredictionSet(logits[None], ("net",), np.repeat(np.arange(4), 50).astype(np.int8), np.arange(200), labels)
    found = tuned_across(predictions)
    for fold in range(4):
        own = predictions.folds == fold
        np.testing.assert_array_equal(found[own], logits[own] >= RULE.fit(predictions.take(~own)))
    assert macro_f1(labels, found) < macro_f1(labels, logits >= RULE.fit(predictions))


def test_a_competition_without_images_is_refused(small):
    (small.root / "configs/competitions/article.yaml").write_text(ARTICLE + "images:\n")
    assert "has tables and no images" in small.refused(small.call("article", "--quick"))
