"""Models that stand on embeddings of others: told of them, or letting their neighbours vote."""

import json
import re

import numpy as np
import pytest
import yaml

from comp.embeddings import read_embeddings
from comp.experiment import Votes
from comp.neighbour_votes import vote
from comp.neighbours import Nearest
from comp.predictions import read_predictions
from tests.pipelines.test_neighbours import METRIC

CASCADE = """
trainer: cascade
backbone: test_resnet
weights: scratch
size: 32
embeddings: [near, nearer]
train: {epochs: 1, batch_size: 8, lr: 3.0e-3}
"""
FILES = ("fold-{}.parquet", "test-{}.parquet")


@pytest.fixture
def standing(project):
    configs = {
        "near": METRIC,
        "nearer": METRIC.replace("epochs: 2", "epochs: 1"),
        "told": CASCADE,
        "again": "trainer: neighbours\nembeddings: [near]\nvotes: {count: 4}\n",
        "both": "trainer: neighbours\nembeddings: [near, nearer]\nvotes: {count: 4}\n",
    }
    for name, text in configs.items():
        (project.root / f"configs/models/{name}.yaml").write_text(text)
    return project


def models(project, *names, settings=""):
    return project.call("models", "--competition", "tiny", "--models", *names, "--workers", "1", *(["--set", settings] if settings else []))


def test_they_come_after_those_they_stand_on_and_stack_like_others(standing):
    ended = models(standing, "both", "told", "again", "near", "nearer")
    assert ended.returncode == 0, ended.stderr
    folder = standing.root / "oof/tiny"
    for fold in range(3):
        for file in FILES:
            one, same = (read_predictions(folder / model / file.format(fold)) for model in ("near", "again"))
            assert one.ids == same.ids
            np.testing.assert_array_equal(one.logits, same.logits)
        made = {model: read_embeddings(folder / model / f"embeddings-{fold}.parquet").provenance.experiment for model in ("near", "nearer")}
        assert read_predictions(folder / f"told/fold-{fold}.parquet").provenance.stands_on == made
        record = json.loads((folder / f"both/run-{fold}.json").read_text())
        assert record["experiment"]["embeddings"] == ["near", "nearer"]
    assert "complete, nothing to do" in models(standing, "told").stdout
    stacked = standing.call("stack", "--competition", "tiny", "--stack", "quick")
    assert "stacking 5 models on 36 rows in 3 folds: again, both, near, nearer, told" in stacked.stdout


def test_the_neighbours_of_several_models_are_those_of_their_mean_similarity(standing):
    assert models(standing, "near", "nearer", "both").returncode == 0
    folder = standing.root / "oof/tiny"
    labels = dict(line.split(",") for line in (standing.root / "data/tiny/train.csv").read_text().split("\n")[1:] if line)
    for fold in range(3):
        first, second = (read_embeddings(folder / model / f"embeddings-{fold}.parquet") for model in ("near", "nearer"))
        others = [image_id for image_id, held in zip(first.ids, first.fold, strict=True) if held not in (fold, -1)]
        has = np.array([[str(column) in labels[other].split() for column in range(3)] for other in others])
        for kind in FILES:
            found = read_predictions(folder / "both" / kind.format(fold))
            mean = sum(each.of(found.ids).astype(float) @ each.of(others).astype(float).T for each in (first, second)) / 2
            best = np.argsort(-mean, axis=1)[:, :4]
            nearest = Nearest(best, np.take_along_axis(mean, best, axis=1))
            expected = vote(nearest, has, (has.sum(axis=0) + 0.5) / (len(has) + 1), Votes(count=4))
            np.testing.assert_allclose(found.logits, expected, atol=1e-4)


def test_a_model_is_made_again_when_those_it_stands_on_were(standing):
    assert models(standing, "near", "again").returncode == 0
    before = (standing.root / "oof/tiny/again/fold-0.parquet").read_bytes()
    assert models(standing, "near", settings="train.epochs=3").returncode == 0
    ended = models(standing, "again")
    assert "again fold 0 was made with other folds, data, weights or embeddings; training again" in ended.stdout
    assert (standing.root / "oof/tiny/again/fold-0.parquet").read_bytes() != before
    assert "again fold 1 was made with votes.count=4, now 2" in models(standing, "again", settings="votes.count=2").stdout


def test_stacks_beside_each_other(standing):
    assert models(standing, "near", "again", "nearer").returncode == 0
    ended = standing.call("compare", "--competition", "tiny", "--models", "near+nearer", "near", "again", "--stack", "quick")
    assert ended.returncode == 0, ended.stderr
    rows = {re.split(r"(?<=\w)  ", line)[0]: re.findall(r"[-+]?\d\.\d{4}", line) for line in ended.stdout.splitlines() if "+-" in line}
    assert rows["near"] == rows["again"]
    assert rows["  near"] == rows["  again"]
    assert float(rows["  near"][0]) == pytest.approx(float(rows["near+nearer"][0]) - float(rows["near"][0]), abs=1.01e-4)


@pytest.mark.parametrize(
    ("module", "arguments", "message"),
    [
        ("models", ("--models", "told"), "told stands on near, which is not trained: train it first: make model COMP=tiny MODEL=near"),
        ("fold", ("--model", "both", "--fold", "0"), "both stands on near, which is not trained"),
        ("models", ("--models", "odd"), "configs/models/odd.yaml stands on tiny, which does not embed: name models with `trainer: metric`"),
        ("models", ("--models", "odd", "--set", "embeddings=[odd]"), "stands on odd, which does not embed"),
        ("models", ("--models", "odd", "--set", "embeddings=[]"), "embeddings = [] does not fit"),
        ("models", ("--models", "again", "--set", "size=32"), "SET, laid over configs/models/again.yaml: unknown key 'size'"),
        ("rare", ("--models", "again"), "configs/models/again.yaml trains no network: name a model that does"),
        ("compare", ("--models", "near+tiny", "near"), "there is no oof/tiny/near/"),
    ],
)
def test_mistakes_are_one_line(standing, module, arguments, message):
    (standing.root / "configs/models/odd.yaml").write_text("trainer: neighbours\nembeddings: [tiny]\n")
    assert message in standing.refused(standing.call(module, "--competition", "tiny", *arguments))


def test_a_fold_whose_embeddings_are_missing_says_which(standing):
    assert standing.call("fold", "--competition", "tiny", "--model", "near", "--fold", "0").returncode == 0
    ended = models(standing, "again")
    assert "there is no oof/tiny/near/embeddings-1.parquet: train it first: make fold-1 COMP=tiny MODEL=near" in standing.refused(ended)
    assert yaml.safe_load((standing.root / "oof/tiny/again/experiment.yaml").read_text())["votes"]["count"] == 4
