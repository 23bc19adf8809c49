"""What took hours is kept: finished predictions, checkpoints and folds that others must match. Three ways out are named, and work."""

import hashlib
import os
import re

import pytest
import yaml

from comp.competition.competition import load_competition
from comp.competition.experiments.load import load_experiment
from comp.predictions.prediction_file import read_predictions
from comp.training.checkpoint_file import what_it_holds
from tests.unit.training.killed import killed_at

EPOCH = ("--set", "train.epochs=1")
OTHER = ("--set", "train.epochs=2")


def fold(project, number=0, *more, model="tiny"):
    return project.call("fold", "--competition", "tiny", "--model", model, "--fold", str(number), *more)


def models(project, *more, model="tiny"):
    return project.call("models", "--competition", "tiny", "--models", model, "--workers", "1", *more)


def hashes(root):
    """Every file of the results and checkpoints."""
    files = [path for folder in ("oof", "runs", "submissions") for path in (root / folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.name != "lock"}


@pytest.mark.parametrize("command", [fold, models])
def test_finished_predictions_made_with_other_settings_are_kept_with_three_ways_out(made, command):
    before = hashes(made.root)
    assert len([name for name in before if name.endswith(".parquet")]) == 7  # three folds, and the list of images
    line = made.refused(command(made, *((0, *OTHER) if command is fold else OTHER)))
    assert line == (
        "error: tiny fold 0 was made with train.epochs=1, now 2: keep both with AS=tiny-epochs2, replace what is there with RETRAIN=1, "
        "or go back to what it was made with"
    )
    assert hashes(made.root) == before


def test_one_finished_fold_is_enough_to_refuse_a_model_before_any_training(made):
    for path in (made.root / "oof/tiny/tiny").glob("*-[01].*"):
        path.unlink()
    before = hashes(made.root)
    assert "tiny fold 2 was made with train.epochs=1, now 2, and all folds of a model must be alike" in made.refused(models(made, *OTHER))
    assert hashes(made.root) == before


def test_a_fold_must_be_like_the_finished_folds_of_its_model(made):
    for path in (made.root / "oof/tiny/tiny").glob("*-1.*"):
        path.unlink()
    before = hashes(made.root)
    line = made.refused(fold(made, 1, *OTHER))
    assert "tiny fold 0 was made with train.epochs=1, now 2, and all folds of a model must be alike: keep both with AS=tiny-epochs2" in line
    assert hashes(made.root) == before
    assert fold(made, 1, *EPOCH).returncode == 0


def test_the_first_way_out_keeps_both(made):
    before = hashes(made.root)
    ended = fold(made, 0, *OTHER, "--as", "tiny-epochs2")
    assert ended.returncode == 0, ended.stderr
    assert "configs/models/tiny-epochs2.yaml: tiny with train.epochs=2\n" in ended.stdout
    text = (made.root / "configs/models/tiny-epochs2.yaml").read_text()
    assert text == "# make model MODEL=tiny-epochs2\nlike: tiny\ntrain:\n  epochs: 2\n"
    assert before.items() <= hashes(made.root).items()
    assert "tiny-epochs2 fold 0: complete, nothing to do" in fold(made, model="tiny-epochs2").stdout
    assert "complete, nothing to do" in fold(made, 0, *OTHER, "--as", "tiny-epochs2").stdout
    line = made.refused(fold(made, 0, "--set", "train.epochs=4", "--as", "tiny-epochs2"))
    assert "configs/models/tiny-epochs2.yaml is there already, with other settings: choose another name for AS" in line


def test_the_second_way_out_replaces_and_says_which_folds_are_left(made):
    ended = fold(made, 0, *OTHER, "--retrain")
    assert ended.returncode == 0, ended.stderr
    assert "tiny fold 0 was made with train.epochs=1, now 2; training again, as RETRAIN=1 asks" in ended.stdout
    note = "note: folds 1, 2 of tiny were made with train.epochs=1, now 2; a stack needs all folds alike: "
    assert note + 'make model COMP=tiny MODEL=tiny SET="train.epochs=2" RETRAIN=1' in ended.stdout
    ended = models(made, *OTHER, "--retrain")
    assert "tiny fold 0: complete, nothing to do" in ended.stdout
    assert "note: " not in ended.stdout
    assert len({read_predictions(path).provenance.experiment for path in (made.root / "oof/tiny/tiny").glob("fold-*.parquet")}) == 1


def test_the_third_way_out_goes_back(made):
    before = hashes(made.root)
    made.refused(fold(made, 0, *OTHER))
    assert models(made, *EPOCH).stdout.count("complete, nothing to do") == 3
    assert hashes(made.root) == before


@pytest.mark.parametrize(
    ("table", "what"),
    [("data/tiny/train.csv", "another train table"), ("oof/tiny/folds.csv", "another fold map")],
)
def test_another_fold_map_or_train_table_is_named(made, table, what):
    path = made.root / table
    labels = r"(?m)^(image-03),.*$", r"\1,0 1 2"
    groups = r"(?m)^(image-03,\d),.*$", r"\1,another"
    path.write_text(re.sub(*(labels if what.endswith("table") else groups), path.read_text()))
    before = hashes(made.root)
    assert f"tiny fold 0 was made with {what}: keep both with AS=tiny-epochs1, " in made.refused(fold(made, 0, *EPOCH))
    assert hashes(made.root) == before


def test_another_sample_submission_is_named(made):
    table = made.root / "data/tiny/sample_submission.csv"
    table.write_text(table.read_text().replace("image-36,0\n", ""))
    path = made.root / "oof/tiny/tiny/run-0.json"
    assert "tiny fold 0 was made with other images (1 test image differs: image-36)" in made.refused(fold(made, 0, *EPOCH))
    assert path.exists()


@pytest.fixture
def interrupted(made):
    """Fold 0 is gone, and there is a checkpoint of its training for two epochs."""
    folder = made.root / "oof/tiny/tiny"
    for path in (*folder.glob("*-*.parquet"), *folder.glob("weights-*")):
        path.unlink()
    with killed_at(2):
        fold(made, 0, *OTHER, "--checkpoint-minutes", "0")
    assert (made.root / "runs/tiny/tiny/fold-0/checkpoint.torch").exists()
    return made


def test_a_checkpoint_of_another_run_is_kept_until_it_is_given_up(interrupted):
    before = hashes(interrupted.root)
    line = interrupted.refused(fold(interrupted, 0, "--set", "train.epochs=4"))
    hours = (
        r"holds \S+ h of training that was done with train\.epochs=2, now 4: go back to that to go on from it; or give it up and train anew"
    )
    assert re.search(rf"runs/tiny/tiny/fold-0/checkpoint\.torch {hours}: RESTART=1", line)
    assert hashes(interrupted.root) == before
    ended = fold(interrupted, 0, "--set", "train.epochs=4", "--restart")
    assert ended.returncode == 0, ended.stderr
    assert "training starts anew, as RESTART=1 asks" in ended.stdout


def test_a_checkpoint_of_other_versions_is_named(interrupted, monkeypatch):
    found = what_it_holds(interrupted.root / "runs/tiny/tiny/fold-0/checkpoint.torch")["made_from"]["versions"]["timm"]
    monkeypatch.setattr("comp.training.train_network.versions", lambda packages: dict.fromkeys(packages, "9.9"))
    line = interrupted.refused(fold(interrupted, 0, *OTHER))
    assert f"timm={found}, now 9.9" in line


def test_test_time_augmentation_does_not_matter_to_a_checkpoint(interrupted):
    ended = fold(interrupted, 0, "--set", "train.epochs=2 tta=2")
    assert ended.returncode == 0, ended.stderr
    assert read_predictions(interrupted.root / "oof/tiny/tiny/fold-0.parquet").provenance.tta == 2


def test_the_checkpoint_of_an_interrupted_retraining_survives_the_old_command(made):
    with killed_at(2):
        fold(made, 0, *OTHER, "--retrain", "--checkpoint-minutes", "0")
    before = hashes(made.root)
    ended = fold(made, 0, *EPOCH)
    assert "tiny fold 0: complete, nothing to do" in ended.stdout
    assert "checkpoint.torch holds " in ended.stdout
    assert "that was done with train.epochs=2, now 1; remove it if you need it no more" in ended.stdout
    assert hashes(made.root) == before


@pytest.mark.parametrize("base", ["tiny", "like"])
def test_a_copy_is_what_the_settings_make_of_the_model(made, base):
    (made.root / "configs/models/like.yaml").write_text("like: tiny\nloss: {name: focal, gamma: 1}\ndropout: 0.1\n")
    path = made.root / "configs/competitions/tiny.yaml"
    path.write_text(path.read_text() + f"model_overrides: {{{base}: {{seed: 7}}}}\n")
    ended = fold(made, 0, "--set", "train.lr=1e-3 tta=2", "--as", "copy", model=base)
    assert ended.returncode == 0, ended.stderr
    competition = load_competition("tiny", made.root)
    expected = load_experiment(base, competition, yaml.safe_load("{train: {lr: 1.0e-3}, tta: 2}"), made.root)
    found = load_experiment("copy", competition, None, made.root)
    assert found.model_dump() == expected.model_dump() | {"model": "copy"}
    assert found.seed == 7


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--as", "../x"), "is no name of a model"),
        (("--as", "tiny"), "configs/models/tiny.yaml is there already, with other settings"),
        (("--set", "sise=3", "--as", "copy"), "unknown key 'sise'"),
    ],
)
def test_a_name_that_does_not_fit_writes_nothing(made, more, said):
    before = sorted(os.listdir(made.root / "configs/models"))
    assert said in made.refused(fold(made, 0, *more))
    assert sorted(os.listdir(made.root / "configs/models")) == before


def test_one_name_is_for_one_model(made):
    ended = made.call("models", "--competition", "tiny", "--models", "tiny", "small", "--as", "both")
    assert "AS=both is a name for one model, and there are 2" in made.refused(ended)
