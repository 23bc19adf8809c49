"""Models that depend on the embeddings of others: a cascade, and nearest neighbours that vote."""

import json
import re
import shutil

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from comp.competition.experiments.embedding_experiment import VoteSettings
from comp.neighbours.nearest import Nearest
from comp.neighbours.votes import vote
from comp.predictions.embeddings import read_embeddings
from comp.predictions.prediction_file import read_predictions
from tests.conftest import Project
from tests.pipelines.test_neighbours import METRIC
from tests.tiny_competition import make_tiny_competition

CASCADE = """
trainer: cascade
backbone: test_resnet
initial_weights: scratch
size: 32
embeddings: [near, nearer]
train: {epochs: 1, batch_size: 8, lr: 3.0e-3}
"""
FILES = ("fold-{}.parquet", "test-{}.parquet")


def write_models(project):
    configs = {
        "near": METRIC,
        "nearer": METRIC.replace("epochs: 2", "epochs: 1"),
        "cascade": CASCADE,
        "again": "trainer: neighbours\nembeddings: [near]\nvotes: {count: 4}\n",
        "both": "trainer: neighbours\nembeddings: [near, nearer]\nvotes: {count: 4}\n",
    }
    for name, text in configs.items():
        (project.root / f"configs/models/{name}.yaml").write_text(text)
    return project


@pytest.fixture
def dependent(project):
    return write_models(project)


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory):
    """All five models, named in another order than they can be trained in."""
    project = Project(tmp_path_factory.mktemp("dependent"))
    make_tiny_competition(project.root)
    ended = models(write_models(project), "both", "cascade", "again", "near", "nearer")
    assert ended.returncode == 0, ended.stderr
    return project.root


@pytest.fixture
def finished(trained_once, tmp_path):
    """Copies that project with the named models' predictions alone."""

    def copy(*names):
        others = {"both", "cascade", "again", "near", "nearer"} - set(names)
        root = tmp_path / "finished"
        shutil.copytree(trained_once, root, ignore=lambda folder, _: others if folder.endswith(("/oof/tiny", "/runs/tiny")) else ())
        return Project(root)

    return copy


def models(project, *names, settings="", retrain=False):
    more = [*(["--set", settings] if settings else []), *(["--retrain"] if retrain else [])]
    return project.call("models", "--competition", "tiny", "--models", *names, "--workers", "1", *more)


def test_they_are_trained_after_those_they_depend_on_and_stack_like_others(finished):
    dependent = finished("both", "cascade", "again", "near", "nearer")
    folder = dependent.root / "oof/tiny"
    for fold in range(3):
        for file in FILES:
            one, same = (read_predictions(folder / model / file.format(fold)) for model in ("near", "again"))
            assert one.ids == same.ids
            np.testing.assert_array_equal(one.logits, same.logits)
        assert set(read_predictions(folder / f"cascade/fold-{fold}.parquet").provenance.depends_on) == {"near", "nearer"}
        record = json.loads((folder / f"both/run-{fold}.json").read_text())
        assert record["experiment"]["embeddings"] == ["near", "nearer"]
    assert "complete, nothing to do" in models(dependent, "cascade").stdout
    stacked = dependent.call("stack", "--competition", "tiny", "--stack", "quick")
    assert "stacking 5 models on 36 rows in 3 folds: again, both, cascade, near, nearer" in stacked.stdout


def test_the_neighbours_of_several_models_are_those_of_their_mean_similarity(finished):
    dependent = finished("near", "nearer", "both")
    folder = dependent.root / "oof/tiny"
    labels = dict(line.split(",") for line in (dependent.root / "data/tiny/train.csv").read_text().split("\n")[1:] if line)
    for fold in range(3):
        first, second = (read_embeddings(folder / model / f"embeddings-{fold}.parquet") for model in ("near", "nearer"))
        others = [image_id for image_id, held in zip(first.ids, first.fold, strict=True) if held not in (fold, -1)]
        labelled = np.array([[str(column) in labels[other].split() for column in range(3)] for other in others])
        for kind in FILES:
            found = read_predictions(folder / "both" / kind.format(fold))
            mean = sum(each.of(found.ids).astype(float) @ each.of(others).astype(float).T for each in (first, second)) / 2
            best = np.argsort(-mean, axis=1)[:, :4]
            nearest = Nearest(best, np.take_along_axis(mean, best, axis=1))
            prior = (labelled.sum(axis=0) + 0.5) / (len(labelled) + 1)
            expected = vote(nearest, labelled, prior, VoteSettings(count=4))
            np.testing.assert_allclose(found.logits, expected, atol=1e-4)


def test_a_model_is_trained_again_if_those_it_depends_on_were(finished):
    dependent = finished("near", "again")
    before = (dependent.root / "oof/tiny/again/fold-0.parquet").read_bytes()
    assert models(dependent, "near", settings="train.epochs=3", retrain=True).returncode == 0
    assert "again fold 0 was made with embeddings of other networks: keep both with AS=again-2, " in dependent.refused(
        models(dependent, "again")
    )
    assert (dependent.root / "oof/tiny/again/fold-0.parquet").read_bytes() == before
    ended = models(dependent, "again", retrain=True)
    assert "again fold 0 was made with embeddings of other networks; training again, as RETRAIN=1 asks" in ended.stdout
    assert (dependent.root / "oof/tiny/again/fold-0.parquet").read_bytes() != before
    assert models(dependent, "near", settings="train.epochs=4", retrain=True).returncode == 0
    line = dependent.refused(models(dependent, "again", settings="votes.count=2"))
    assert "again fold 0 was made with embeddings of other networks, votes.count=4, now 2: keep both with AS=again-count2, repl" in line


def test_no_stack_takes_a_model_with_embeddings_of_an_older_network(finished):
    dependent = finished("near", "again")
    assert models(dependent, "near", settings="train.epochs=3", retrain=True).returncode == 0
    refused = dependent.refused(dependent.call("stack", "--competition", "tiny", "--stack", "quick"))
    what = "oof/tiny/again/fold-0.parquet depends on near, which was trained again with other settings or images: "
    assert what + "make model COMP=tiny MODEL=again RETRAIN=1; or leave it out" in refused
    assert models(dependent, "again", retrain=True).returncode == 0
    assert dependent.call("stack", "--competition", "tiny", "--stack", "quick").returncode == 0


def test_a_model_is_left_out_together_with_what_was_made_from_it(dependent):
    competition = dependent.root / "configs/competitions/tiny.yaml"
    competition.write_text(competition.read_text().replace("count: 3", "count: 4"))
    assert models(dependent, "near", "nearer", "again", "both").returncode == 0
    assert dependent.call("stack", "--competition", "tiny", "--stack", "quick", "--models", "again", "nearer").returncode == 0
    ended = dependent.call("ablate", "--competition", "tiny", "--model", "near", "--models", "again", "both", "quick", "nearer")
    assert ended.returncode == 0, ended.stderr
    assert "left out with near, because they were made from it: again, both, quick" in ended.stdout
    assert "\nwith near: again, both, near, nearer, quick\nwithout: nearer\n" in ended.stdout
    ended = dependent.call("ablate", "--competition", "tiny", "--model", "near", "--models", "again")
    assert "without near and the models made from it no model is left to stack" in dependent.refused(ended)


def test_several_embedding_models_are_listed_with_their_mean(finished):
    dependent = finished("near", "nearer", "both")
    (dependent.root / "configs/models/subset.yaml").write_text(METRIC + "labels: [round, striped]\n")
    assert models(dependent, "subset").returncode == 0
    report = ("neighbours", "--competition", "tiny", "--models", "near", "nearer", "nearer")
    ended = dependent.call(*report, "both")
    assert ended.returncode == 0, ended.stderr
    rows = dict(re.findall(r"^  (\w.*?)  +(\d.*)$", ended.stdout, re.MULTILINE))
    assert list(rows) == ["near + nearer", "near", "nearer", "both"]
    assert rows["near + nearer"] == rows["both"]
    ended = dependent.call(*report, "subset")
    assert ended.returncode == 0, ended.stderr
    assert "neighbours of near + nearer + subset: 36 images" in ended.stdout


def test_a_model_is_trained_again_if_those_it_depends_on_started_from_other_weights_in_the_same_file(dependent):
    file, start = dependent.root / "first.safetensors", f"initial_weights={dependent.root / 'first.safetensors'}"
    for seed in (0, 1):
        torch.manual_seed(seed)
        save_file(timm.create_model("test_resnet", in_chans=4, num_classes=1).state_dict(), file)
        assert models(dependent, "near", settings=start, retrain=True).returncode == 0
        ended = models(dependent, "again", retrain=True)
        assert "complete" not in ended.stdout
    assert "again fold 0 was made with embeddings of other networks; training again" in ended.stdout


def test_stacks_are_compared(dependent):
    assert models(dependent, "near", "again", "nearer").returncode == 0
    ended = dependent.call("compare", "--competition", "tiny", "--models", "near+nearer", "near", "again", "--stack", "quick")
    assert ended.returncode == 0, ended.stderr
    rows = {re.split(r"(?<=\w)  ", line)[0]: re.findall(r"[-+]?\d\.\d{4}", line) for line in ended.stdout.splitlines() if "+-" in line}
    assert rows["near"] == rows["again"]
    assert rows["  near"] == rows["  again"]
    assert float(rows["  near"][0]) == pytest.approx(float(rows["near+nearer"][0]) - float(rows["near"][0]), abs=1.01e-4)


def test_stacks_of_a_class_subset_are_compared_on_it(dependent):
    (dependent.root / "configs/models/subset.yaml").write_text(METRIC + "labels: [round, striped]\n")
    assert models(dependent, "near", "subset", "again").returncode == 0
    ended = dependent.call("compare", "--competition", "tiny", "--models", "near", "subset", "again", "--stack", "quick")
    assert ended.returncode == 0, ended.stderr
    assert "nested" in ended.stdout
    assert dependent.call("ablate", "--competition", "tiny", "--model", "subset", "--models", "near").returncode == 0


def test_a_model_of_a_class_subset_takes_identities_from_these_labels_only(dependent):
    """Trained on a table with other labels outside the subset, it gives the same predictions."""
    competition = dependent.root / "configs/competitions/tiny.yaml"
    competition.write_text(re.sub(r"(?m)^groups:.*\n", "", competition.read_text()))
    (dependent.root / "configs/models/near.yaml").write_text(METRIC + "labels: [round]\nidentity: labels\n")
    table = dependent.root / "data/tiny/train.csv"
    assert models(dependent, "near").returncode == 0
    first = read_predictions(dependent.root / "oof/tiny/near/fold-0.parquet")
    folds = (dependent.root / "oof/tiny/folds.csv").read_bytes()
    lines = [line.split(",") for line in table.read_text().split("\n") if line]
    changed = [
        [image_id, " ".join(({"0"} & set(labels.split())) | ({"2"} if number % 2 else {"1"}))]
        for number, (image_id, labels) in enumerate(lines[1:])
    ]
    table.write_text("\n".join(",".join(line) for line in [lines[0], *changed]) + "\n")
    (dependent.root / "oof/tiny/folds.csv").write_bytes(folds)
    assert models(dependent, "near", retrain=True).returncode == 0
    second = read_predictions(dependent.root / "oof/tiny/near/fold-0.parquet")
    assert first.provenance.data != second.provenance.data
    np.testing.assert_array_equal(first.logits, second.logits)


def test_the_hold_out_is_predicted_too(dependent):
    assert dependent.call("folds", "--competition", "tiny", "--holdout", "0.3").returncode == 0
    assert models(dependent, "near", "nearer", "again", "cascade").returncode == 0
    for fold in range(3):
        near, again, cascade = (
            read_predictions(dependent.root / f"oof/tiny/{model}/holdout-{fold}.parquet") for model in ("near", "again", "cascade")
        )
        assert near.ids == again.ids == cascade.ids
        np.testing.assert_array_equal(near.logits, again.logits)


def test_embeddings_of_another_fold_are_an_error(finished):
    dependent = finished("near")
    folder = dependent.root / "oof/tiny/near"
    (folder / "embeddings-0.parquet").write_bytes((folder / "embeddings-1.parquet").read_bytes())
    ended = dependent.call("fold", "--competition", "tiny", "--model", "again", "--fold", "0")
    message = "oof/tiny/near/embeddings-0.parquet was made as fold 1, not 0: remove it, then: make fold-0 COMP=tiny MODEL=near"
    assert message in dependent.refused(ended)


@pytest.mark.parametrize(
    ("module", "arguments", "message"),
    [
        (
            "models",
            ("--models", "cascade"),
            "there is no oof/tiny/near/embeddings-0.parquet: train it first: make model COMP=tiny MODEL=near",
        ),
        ("fold", ("--model", "both", "--fold", "0"), "both fold 0 depends on near, and there is no"),
        ("models", ("--models", "odd"), "odd depends on tiny, which makes no embeddings: name models with `trainer: metric`"),
        ("models", ("--models", "odd", "--set", "embeddings=[odd]"), "depends on odd, which makes no embeddings"),
        ("models", ("--models", "odd", "--set", "embeddings=[]"), "embeddings = [] does not fit: write a list of models that embed: [arc"),
        ("models", ("--models", "odd", "--set", "embeddings=near"), "embeddings = 'near' does not fit: write a list of models that embed"),
        ("models", ("--models", "odd", "--set", "embeddings=[ner]"), "embeddings of odd: there is no configs/models/ner.yaml: choose one"),
        ("models", ("--models", "again", "--set", "size=32"), "SET, laid over configs/models/again.yaml: unknown key 'size'"),
        ("rare", ("--models", "again"), "configs/models/again.yaml trains no network: name a model that does"),
        ("models", ("--models", "again", "--set", "embeddings=[near,near]"), "name each model once"),
        ("compare", ("--models", "near+tiny", "near"), "there is no oof/tiny/near/"),
        ("compare", ("--models", "near++tiny"), "MODELS: 'near++tiny' is no stack of different models: name models joined by +, as in"),
        ("compare", ("--models", "near", "near+near"), "MODELS: 'near+near' is no stack of different models"),
        ("compare", ("--models", "near+tiny", "tiny+near"), "MODELS: there are not two stacks, or two are the same: name models joined"),
        ("compare", ("--models", "near"), "MODELS: there are not two stacks"),
        ("compare", (), "MODELS: there are not two stacks"),
        ("compare", ("--models", "tinny", "near"), "there is no model tinny in oof/tiny, nor in configs/models: did you mean tiny?"),
    ],
)
def test_mistakes_are_one_line(dependent, module, arguments, message):
    (dependent.root / "configs/models/odd.yaml").write_text("trainer: neighbours\nembeddings: [tiny]\n")
    assert message in dependent.refused(dependent.call(module, "--competition", "tiny", *arguments))


def test_missing_embeddings_of_one_fold_are_an_error_before_any_fold_is_trained(finished):
    dependent = finished("near")
    (dependent.root / "oof/tiny/near/embeddings-2.parquet").unlink()
    message = "again fold 2 depends on near, and there is no oof/tiny/near/embeddings-2.parquet"
    assert message in dependent.refused(models(dependent, "again"))
    assert not (dependent.root / "oof/tiny/again").exists()


def test_overrides_for_all_models_reach_those_without_a_network(dependent):
    competition = dependent.root / "configs/competitions/tiny.yaml"
    competition.write_text(competition.read_text() + "overrides: {labels: {top: 2}, size: 32}\n")
    assert models(dependent, "near", "again").returncode == 0
    near, again = (read_predictions(dependent.root / f"oof/tiny/{model}/fold-0.parquet") for model in ("near", "again"))
    assert len(again.provenance.classes) == 2
    np.testing.assert_array_equal(near.logits, again.logits)
