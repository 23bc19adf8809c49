"""A finished stack goes through its file bit for bit, knows which models it needs, and damage to the file is noticed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comp.base import registry
from comp.base.errors import PredictionError
from comp.base.files import hash_of
from comp.base.schema import parse
from comp.stacking.fitted_stack import FittedStack, read_fitted, write_fitted
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.recipe import Recipe
from comp.stacking.stack import Stack
from tests.unit.stacking.blenders.drawn import drawn
from tests.unit.stacking.blenders.test_blenders import spec

AGAIN = "make stack COMP=tables STACK=mine"
SELECTING = [{"name": "best_single"}, {"name": "committee", "of": [{"name": "best_single"}, {"name": "greedy", "steps": 1}]}]


def fit(blender: dict[str, Any], predictions: PredictionSet, rule: str = "exact") -> Stack:
    recipe = parse(Recipe, {"blenders": [blender], "thresholds": [{"name": rule}]}, "stack.yaml")
    return replace(recipe.candidates().fit(predictions)[0], models=predictions.models)


def with_a_class_that_nobody_has() -> PredictionSet:
    predictions = drawn()
    return replace(predictions, labels=predictions.known_labels & [False, True, True, True])


def new_images() -> PredictionSet:
    """Their probabilities are, like means over folds, not those of the rows that were fitted on; one of them is sure of nothing."""
    predictions = drawn(seed=7)
    logits = predictions.logits.copy()
    logits[:, 0] -= 50
    return replace(predictions, logits=logits, labels=None)


def finished(stack: Stack) -> FittedStack:
    files = {model: {"fold-0.parquet": "0" * 16} for model in stack.models}
    return FittedStack("tables", "mine", ("Ä", "b", "c", "d"), stack, {"told.csv": "3" * 16}, files, "1" * 16, "2" * 16)


def written(stack: Stack, folder: Path) -> Path:
    path = folder / "oof" / "tables" / "mine" / "fitted.json"
    write_fitted(path, finished(stack))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(PredictionError) as caught:
        read_fitted(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def assert_labels_alike(one: FittedStack, other: FittedStack, images: PredictionSet) -> None:
    for ours, theirs in zip(one.label(images), other.label(images), strict=True):
        assert ours.dtype == theirs.dtype
        assert (ours == theirs).all()


@pytest.mark.parametrize("name", registry.names("blenders"))
def test_every_blender_goes_through_the_file(name: str, tmp_path: Path) -> None:
    predictions = with_a_class_that_nobody_has()
    stack = fit(spec(name, predictions), predictions)
    found = read_fitted(written(stack, tmp_path))
    assert found.stack.spec == stack.spec
    assert found.stack.blend == stack.blend
    assert found.stack.thresholds.dtype == np.float64
    assert (found.stack.thresholds == stack.thresholds).all()
    assert found.stack.thresholds[0] == np.inf
    assert (found.competition, found.name, found.classes) == ("tables", "mine", ("Ä", "b", "c", "d"))
    assert (found.features, found.folds, found.data) == ({"told.csv": "3" * 16}, "1" * 16, "2" * 16)
    assert found.files == {model: {"fold-0.parquet": "0" * 16} for model in "abcd"}
    blend, decisions = found.label(new_images())
    expected = stack.blended(new_images())
    assert (blend == expected.logits[0]).all()
    assert (decisions == stack.decide(expected)[0]).all()
    assert decisions.any(axis=1).all()
    assert not decisions[:, 0].any()


def test_whether_empty_rows_are_filled_goes_through_the_file(tmp_path: Path) -> None:
    stack = fit({"name": "mean"}, replace(with_a_class_that_nobody_has(), needs_labels=False))
    found = read_fitted(written(stack, tmp_path))
    logits, decisions = found.label(new_images())
    np.testing.assert_array_equal(decisions, logits >= stack.thresholds)
    assert not decisions[0].any()
    filled = found.label(new_images())[1] | finished(replace(stack, fills=True)).label(new_images())[1]
    assert filled.any(axis=1).all()


def test_a_blender_with_features_gets_them(tmp_path: Path) -> None:
    predictions, images = drawn(), new_images()
    predictions = replace(predictions, features=np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32))
    images = replace(images, features=predictions.features)
    stack = fit({"name": "lightgbm", "trees": 5, "positives": 20}, predictions)
    assert_labels_alike(read_fitted(written(stack, tmp_path)), finished(stack), images)


def nested(outer: dict[str, Any], inner: dict[str, Any]) -> Stack:
    """A stack of the models c and d and of a stack of a and b."""
    predictions = drawn()
    inside = fit(inner, predictions.only("ab"))
    joined = predictions.with_models({"sub": inside.blended(predictions).logits[0]}).only(["c", "d", "sub"])
    return replace(fit(outer, joined, rule="bagged"), substacks={"sub": inside})


@pytest.mark.parametrize("outer", ["mean", "rank_mean", "vote", "lightgbm"])
def test_a_stack_of_a_stack(outer: str, tmp_path: Path) -> None:
    stack = nested({"name": outer}, {"name": "logistic"})
    found = read_fitted(written(stack, tmp_path))
    assert found.needed == ("a", "b", "c", "d")
    assert (found.stack.substacks["sub"].thresholds == stack.substacks["sub"].thresholds).all()
    assert_labels_alike(found, finished(stack), new_images())


@pytest.mark.parametrize("blender", [*SELECTING, {"name": "weights", "weights": {"a": 0, "b": 3, "c": 1, "d": 0}, "of": "logits"}])
def test_models_without_weight_are_not_needed(blender: dict[str, Any], tmp_path: Path) -> None:
    stack = fit(blender, drawn())
    found = read_fitted(written(stack, tmp_path))
    assert found.needed == tuple(model for model in "abcd" if any(each.get(model) for each in stack.weights))
    assert 1 <= len(found.needed) < 4
    for ours, theirs in zip(found.label(new_images().only(found.needed)), found.label(new_images()), strict=True):
        assert (ours == theirs).all()


def test_a_committee_needs_the_models_of_each_of_its_blenders() -> None:
    members = [{"name": "weights", "weights": {model: float(model == kept) for model in "abcd"}} for kept in "bd"]
    assert finished(fit({"name": "committee", "of": members}, drawn())).needed == ("b", "d")


@pytest.mark.parametrize("inner", ["mean", "rank_mean", "calibrated", "lightgbm"])
@pytest.mark.parametrize(("weights", "needed"), [({"c": 1, "d": 0, "sub": 0}, "c"), ({"c": 0, "d": 1, "sub": 1}, "abd")])
def test_a_stack_without_weight_is_not_asked(inner: str, weights: dict[str, int], needed: str, tmp_path: Path) -> None:
    stack = nested({"name": "weights", "weights": weights}, spec(inner, drawn()))
    found = read_fitted(written(stack, tmp_path))
    assert found.needed == tuple(needed)
    for ours, theirs in zip(found.label(new_images().only(needed)), found.label(new_images()), strict=True):
        assert (ours == theirs).all()


def test_a_model_without_weight_in_a_stack_inside_is_not_needed() -> None:
    assert finished(nested({"name": "mean"}, {"name": "weights", "weights": {"a": 0, "b": 1}})).needed == ("b", "c", "d")


@pytest.mark.parametrize("name", ["calibrated", "rank_mean", "vote", "lightgbm", "logistic", "per_class"])
def test_other_blends_need_all_models(name: str) -> None:
    assert finished(fit(spec(name, drawn()), drawn())).needed == ("a", "b", "c", "d")


@pytest.mark.parametrize("state", [{}, [], {"temperature": 2.0}, {"a": 1.0, "temperature": 2.0}, {"a": 0.0}, None])
def test_states_that_are_no_weights_need_all_models(state: Any) -> None:
    assert finished(Stack(registry.build("blenders", {"name": "mean"}), {}, state, np.zeros(4), ("a", "b"))).needed == ("a", "b")


def test_equal_stacks_give_equal_bytes(tmp_path: Path) -> None:
    stack = fit({"name": "convex"}, drawn())
    path = written(stack, tmp_path)
    before = path.read_bytes()
    write_fitted(path, read_fitted(path))
    assert path.read_bytes() == before
    turned = replace(stack, blend=dict(reversed(stack.blend.items())), spec=dict(reversed(stack.spec.items())))
    assert written(turned, tmp_path / "other").read_bytes() == before


def test_missing_models_and_other_classes_are_refused() -> None:
    fitted = finished(fit({"name": "mean"}, drawn()))
    with pytest.raises(ValueError, match="the stack mine needs predictions of b, d"):
        fitted.label(new_images().only("ac"))
    with pytest.raises(ValueError, match="the stack mine predicts 4 classes, not 3"):
        fitted.label(new_images().of_classes([0, 1, 2]))


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    path = written(fit({"name": "committee", "of": [{"name": "greedy"}, {"name": "convex"}]}, drawn()), tmp_path)
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert refusal(path).endswith(AGAIN), place
    for end in range(0, len(content), 7):
        path.write_bytes(content[:end])
        assert refusal(path).endswith(AGAIN), end
    path.write_bytes(content + b"\n")
    assert refusal(path) == f"{path} is damaged: make it again: {AGAIN}"


def sealed(path: Path, **changes: Any) -> None:
    """Write a file again with other content and a checksum that fits."""
    content = {key: value for key, value in (json.loads(path.read_bytes()) | changes).items() if value is not None and key != "sha256"}
    content["sha256"] = hash_of(content, digits=64)
    path.write_text(json.dumps(content, sort_keys=True, ensure_ascii=False) + "\n")


def test_files_of_another_version_or_kind_are_refused(tmp_path: Path) -> None:
    stack = fit({"name": "mean"}, drawn())
    sealed(path := written(stack, tmp_path))
    assert read_fitted(path).needed == ("a", "b", "c", "d")
    sealed(path, version=1)
    assert refusal(path).startswith(
        f"{path} has version 1, and this toolkit reads version 2: use the toolkit that wrote it, or make it again"
    )
    for kind in ("stack", 1, None):
        sealed(written(stack, tmp_path), kind=kind)
        assert refusal(path) == f"{path} is no finished stack: make one: {AGAIN}"
    for key in ("version", "competition", "classes", "stack", "files"):
        sealed(written(stack, tmp_path), **{key: None})
        assert refusal(path) == f"{path} is damaged: make it again: {AGAIN}"
    inner = json.loads(written(stack, tmp_path).read_bytes())["stack"]
    sealed(path, stack=inner | {"blender": {"name": "median"}})
    assert f"{path}: blenders: there is no 'median': make it again" in refusal(path)
    sealed(path, stack=inner | {"thresholds": ["high"]})
    assert "is damaged" in refusal(path)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"null", b"[]", b"{}", b"PAR1", b"\xff\xfe", b"[" * 100_000, b'{"kind": "fitted stack"}', b"NaN"]
)
def test_what_is_no_such_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = written(fit({"name": "mean"}, drawn()), tmp_path)
    path.write_bytes(content)
    assert refusal(path).endswith(AGAIN)


def test_a_missing_file_and_a_folder_in_its_place_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "tables" / "mine" / "fitted.json"
    assert refusal(path) == f"there is no {path}: {AGAIN}"
    path.mkdir(parents=True)
    assert refusal(path) == f"{path} cannot be read (it is a folder): remove it, then: {AGAIN}"
