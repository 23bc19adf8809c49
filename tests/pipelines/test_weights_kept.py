"""Weights as a user finds them: in each fold, read by others, used again for other settings of prediction, or not kept."""

import json
import re

import numpy as np
import pytest
import timm
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from comp.base.files import hash_file
from comp.images.read import read_image
from comp.inference.tensor_file import read_tensors, write_tensors
from comp.predictions.embeddings import read_embeddings
from comp.predictions.prediction_file import read_predictions
from tests.pipelines.test_neighbours import METRIC
from tests.unit.training.killed import killed_at


def fold(project, number, model="tiny", settings="", *more):
    return project.call("fold", "--competition", "tiny", "--model", model, "--fold", str(number), "--set", settings, *more)


def well(ended):
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_any_reader_can_build_the_network_from_the_file(made):
    """timm, safetensors and a few lines give the logits in the prediction file."""
    folder = made.root / "oof/tiny/tiny"
    with safe_open(folder / "weights-1.safetensors", "pt") as opened:
        about = json.loads(opened.metadata()["comp"])["about"]
    assert about["trainer"] == "torch"
    assert about["classes"] == ["round", "bright", "striped"]
    assert about["channels"] == ["red", "green", "blue", "yellow"]
    assert about["settings"]["train"]["epochs"] == 1
    assert about["provenance"]["fold"] == 1
    tensors = load_file(folder / "weights-1.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32, torch.int64}  # int64: counters of batch normalisation
    np.testing.assert_array_equal(tensors.pop("mean"), np.float32(about["normalisation"]["mean"]))
    np.testing.assert_array_equal(tensors.pop("deviation"), np.float32(about["normalisation"]["deviation"]))
    network = timm.create_model(about["network"]["backbone"], **about["network"]["options"]).eval()
    network.load_state_dict({name.removeprefix("backbone."): tensor for name, tensor in tensors.items()})
    expected = read_predictions(folder / "test-1.parquet")
    files = [[made.root / f"data/tiny/test/{name}_{channel}.png" for channel in about["channels"]] for name in expected.ids]
    pixels = np.stack([np.stack(read_image(each, 4).channels, axis=-1) for each in files]).astype(np.float32)
    images = (pixels - np.float32(about["normalisation"]["mean"])) / np.float32(about["normalisation"]["deviation"])
    in_bf16 = about["provenance"]["precision"].startswith("bf16")  # where the CPU has it
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=in_bf16):
        found = network(torch.from_numpy(images).permute(0, 3, 1, 2)).float()
    np.testing.assert_allclose(found, expected.logits, rtol=1e-3, atol=1e-3)
    assert not list((made.root / "runs").rglob("checkpoint*"))


def test_another_tta_predicts_again_without_training(made):
    folder = made.root / "oof/tiny/tiny"
    before = {path.name: hash_file(path) for path in folder.glob("*-0.*")}
    said = well(fold(made, 0, "tiny", "train.epochs=1 tta=8"))
    assert "tiny fold 0 was predicted with tta=1, now 8; predicting again" in said
    assert "note: folds 1, 2 of tiny were made with tta=1, now 8" in said
    assert said.splitlines()[-1].endswith('make model COMP=tiny MODEL=tiny SET="train.epochs=1 tta=8"')
    after = {path.name: hash_file(path) for path in folder.glob("*-0.*")}
    assert {name for name in before if after[name] != before[name]} == {"fold-0.parquet", "test-0.parquet", "run-0.json"}
    record = json.loads((folder / "run-0.json").read_text())
    assert record["experiment"]["tta"] == 8
    assert record["loss_by_epoch"]
    eight = (folder / "fold-0.parquet").read_bytes()
    assert "complete, nothing to do" in well(fold(made, 0, "tiny", "train.epochs=1 tta=8"))

    said = well(fold(made, 0, "small", "train.epochs=1 tta=8"))  # the same YAML, trained with 8 views from the start
    small = read_predictions(made.root / "oof/tiny/small/fold-0.parquet")
    np.testing.assert_array_equal(small.logits, read_predictions(folder / "fold-0.parquet").logits)
    well(fold(made, 0, "tiny", "train.epochs=1"))
    back = {path.name: hash_file(path) for path in folder.glob("*-0.*")}
    assert {name for name in before if back[name] != before[name]} == {"run-0.json"}
    assert (folder / "fold-0.parquet").read_bytes() != eight

    well(made.call("models", "--competition", "tiny", "--models", "tiny", "--set", "train.epochs=1 tta=2", "--workers", "1"))
    assert {read_predictions(folder / f"fold-{number}.parquet").provenance.tta for number in range(3)} == {2}


def test_a_change_of_training_is_still_refused_and_one_of_prediction_without_weights_too(made):
    folder = made.root / "oof/tiny/tiny"
    before = {path: hash_file(path) for path in folder.iterdir()}
    assert "was made with train.epochs=1, now 2, tta=1, now 8" in made.refused(fold(made, 0, "tiny", "train.epochs=2 tta=8"))
    assert {path: hash_file(path) for path in folder.iterdir()} == before
    (folder / "weights-0.safetensors").unlink()
    assert "was made with tta=1, now 8: keep both with AS=tiny-" in made.refused(fold(made, 0, "tiny", "train.epochs=1 tta=8"))


def test_the_batch_size_of_prediction_is_no_change(made):
    assert "complete, nothing to do" in well(fold(made, 0, "tiny", "train.epochs=1 predict_batch_size=3"))
    folder = made.root / "oof/tiny/tiny"
    before = read_predictions(folder / "fold-0.parquet")
    (folder / "fold-0.parquet").unlink()
    well(fold(made, 0, "tiny", "train.epochs=1 predict_batch_size=3"))
    after = read_predictions(folder / "fold-0.parquet")
    assert after.provenance == before.provenance
    np.testing.assert_allclose(after.logits, before.logits, rtol=1e-4, atol=1e-4)


def test_votes_can_change_after_training(project):
    (project.root / "configs/models/near.yaml").write_text(METRIC)
    (project.root / "configs/models/voting.yaml").write_text("trainer: neighbours\nembeddings: [near]\n")
    well(fold(project, 0, "near"))
    well(fold(project, 0, "voting"))
    folder = project.root / "oof/tiny"
    embedded = read_embeddings(folder / "near/embeddings-0.parquet")
    weights = hash_file(folder / "near/weights-0.safetensors")
    before = read_predictions(folder / "voting/fold-0.parquet").logits
    assert "predicting again" in well(fold(project, 0, "voting", "votes.count=1"))
    assert not np.array_equal(read_predictions(folder / "voting/fold-0.parquet").logits, before)
    assert "was predicted with votes.count=" in well(fold(project, 0, "near", "votes.count=1"))
    assert hash_file(folder / "near/weights-0.safetensors") == weights
    np.testing.assert_array_equal(read_embeddings(folder / "near/embeddings-0.parquet").vectors, embedded.vectors)
    one, same = (read_predictions(folder / f"{model}/fold-0.parquet").logits for model in ("near", "voting"))
    np.testing.assert_array_equal(one, same)


def test_keep_0_keeps_no_weights_and_no_voters(project):
    (project.root / "configs/models/near.yaml").write_text(METRIC)
    well(fold(project, 0, "near", "", "--no-keep"))
    folder = project.root / "oof/tiny/near"
    assert sorted(path.name for path in folder.iterdir()) == [
        "embeddings-0.parquet", "experiment.yaml", "fold-0.parquet", "run-0.json", "test-0.parquet",
    ]  # fmt: skip
    assert "complete, nothing to do" in well(fold(project, 0, "near"))
    assert not list((project.root / "runs").rglob("checkpoint*"))


def test_lost_predictions_are_made_again_from_the_weights(made):
    folder = made.root / "oof/tiny/tiny"
    before = {path.name: path.read_bytes() for path in folder.glob("*-0.*") if path.name != "run-0.json"}
    (folder / "fold-0.parquet").unlink()
    (folder / "test-0.parquet").unlink()
    assert "tiny fold 0: trained already (oof/tiny/tiny/weights-0.safetensors), predicting" in well(fold(made, 0, "tiny", "train.epochs=1"))
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_weights_without_predictions_are_not_overwritten_unasked(made):
    folder = made.root / "oof/tiny/tiny"
    for path in folder.glob("fold-*.parquet"):
        path.unlink()
    before = {path: hash_file(path) for path in folder.iterdir()}
    line = made.refused(fold(made, 0, "tiny", "train.epochs=2"))
    assert "oof/tiny/tiny/weights-0.safetensors was trained with train.epochs=1, now 2: keep both with AS=tiny-epochs2, replace" in line
    assert {path: hash_file(path) for path in folder.iterdir()} == before
    assert re.search("was trained with train.epochs=1, now 2; training again", well(fold(made, 0, "tiny", "train.epochs=2", "--retrain")))


def test_damaged_weights_are_trained_again_where_they_are_needed(made):
    folder = made.root / "oof/tiny/tiny"
    whole = (folder / "weights-0.safetensors").read_bytes()
    (folder / "weights-0.safetensors").write_bytes(whole[: len(whole) // 2])
    assert "complete, nothing to do" in well(fold(made, 0, "tiny", "train.epochs=1"))
    (folder / "fold-0.parquet").unlink()
    assert "weights-0.safetensors is damaged: it cannot be read as safetensors; training again" in well(
        fold(made, 0, "tiny", "train.epochs=1")
    )
    assert (folder / "weights-0.safetensors").read_bytes() == whole


def test_a_retrained_fold_killed_in_training_leaves_the_finished_one(made):
    folder = made.root / "oof/tiny/tiny"
    before = {path: hash_file(path) for path in folder.iterdir()}
    with killed_at(2):
        fold(made, 0, "tiny", "train.epochs=2", "--retrain", "--checkpoint-minutes", "0")
    assert {path: hash_file(path) for path in folder.iterdir()} == before
    well(fold(made, 0, "tiny", "train.epochs=2", "--retrain"))
    assert json.loads((folder / "run-0.json").read_text())["experiment"]["train"]["epochs"] == 2


@pytest.mark.parametrize("name", ["weights-0.safetensors", "voters-0.safetensors"])
def test_a_folder_in_the_place_of_a_file_is_said_before_training(project, name):
    (project.root / "oof/tiny/tiny" / name).mkdir(parents=True)
    assert f"oof/tiny/tiny/{name} is a folder, and a file is to be written there" in project.refused(fold(project, 0))


def test_a_network_can_start_from_the_weights_of_the_same_fold_and_from_no_others(made):
    (made.root / "configs/models/next.yaml").write_text(
        "like: tiny\ninitial_weights: oof/tiny/tiny/weights-1.safetensors\ntrain: {epochs: 1}\n"
    )
    said = well(fold(made, 1, "next"))
    assert "the prefix 'backbone.' is taken off the names of 92 tensors" in said
    what = "initial_weights: oof/tiny/tiny/weights-1.safetensors was trained on rows of fold 0, which next fold 0 is judged by"
    assert what in made.refused(fold(made, 0, "next"))
    before = sorted(made.root.rglob("*"))
    assert what in made.refused(made.call("models", "--competition", "tiny", "--models", "next", "--workers", "1"))
    assert sorted(made.root.rglob("*")) == before


def test_keep_0_leaves_weights_that_an_earlier_command_kept(made):
    folder = made.root / "oof/tiny/tiny"
    weights = hash_file(folder / "weights-0.safetensors")
    assert "predicting again" in well(fold(made, 0, "tiny", "train.epochs=1 tta=2", "--no-keep"))
    assert hash_file(folder / "weights-0.safetensors") == weights


def test_weights_of_a_later_version_are_not_replaced(made, monkeypatch):
    path = made.root / "oof/tiny/tiny/weights-0.safetensors"
    monkeypatch.setattr("comp.inference.tensor_file.VERSION", 2)
    write_tensors(path, *read_tensors_of(path))
    monkeypatch.undo()
    (path.parent / "fold-0.parquet").unlink()
    before = hash_file(path)
    line = made.refused(fold(made, 0, "tiny", "train.epochs=1"))
    assert "weights-0.safetensors has version 2, and this toolkit reads 1: move it away, or use the toolkit that wrote it" in line
    assert hash_file(path) == before


def read_tensors_of(path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("comp.inference.tensor_file.VERSION", 1)
        return read_tensors(path, "")


def test_a_full_disk_while_the_new_weights_are_written_leaves_the_finished_fold(made, monkeypatch):
    folder = made.root / "oof/tiny/tiny"
    before = {path: hash_file(path) for path in folder.iterdir()}

    def full(*arguments):
        raise OSError(28, "No space left on device", "weights")

    monkeypatch.setattr("comp.inference.weights.write_tensors", full)
    assert "free some space" in made.refused(fold(made, 0, "tiny", "train.epochs=2", "--retrain"))
    monkeypatch.undo()
    assert {path: hash_file(path) for path in folder.iterdir()} == before
    well(fold(made, 0, "tiny", "train.epochs=2", "--retrain"))
    record = json.loads((folder / "run-0.json").read_text())
    assert (record["experiment"]["train"]["epochs"], len(record["loss_by_epoch"])) == (2, 2)
