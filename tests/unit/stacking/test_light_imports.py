"""A finished stack predicts where only NumPy is installed (and LightGBM, if it uses it): in a real process that refuses all else."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from comp.base import registry
from comp.base.schema import parse
from comp.stacking.fitted_stack import FittedStack, write_fitted
from comp.stacking.recipe import Recipe
from tests.tiny_competition import REPOSITORY
from tests.unit.stacking.blenders.drawn import drawn
from tests.unit.stacking.blenders.test_blenders import spec

REFUSED = {"pydantic", "annotated_types", "scipy", "sklearn", "pyarrow", "xxhash", "yaml", "pandas", "torch", "cv2"}
OF_LIGHTGBM = {"scipy", "pandas"}  # which it imports itself
REFUSE = """
import importlib.abc, json, sys
class Refusal(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {refused}:
            raise ModuleNotFoundError(f"{{name}} is not installed", name=name)
sys.meta_path.insert(0, Refusal())
"""
PREDICT = """
import numpy as np
from comp.base import registry
from comp.stacking.prediction_set import PredictionSet
told = json.loads(sys.stdin.read())
logits = np.load("logits.npy")
count = logits.shape[1]
predictions = PredictionSet(logits, tuple(told["models"]), np.full(count, -1, np.int8), np.arange(count))
np.save("predicted.npy", registry.build("blenders", told["spec"]).predict(told["state"], predictions))
"""

LABEL = """
from pathlib import Path
import numpy as np
from comp.stacking.fitted_stack import read_fitted
from comp.stacking.prediction_set import PredictionSet
fitted = read_fitted(Path("fitted.json"))
logits = np.load("logits.npy")
count = logits.shape[1]
blend, decisions = fitted.label(PredictionSet(logits, tuple("abcd"), np.full(count, -1, np.int8), np.arange(count)))
np.savez("labelled.npz", blend=blend, decisions=decisions)
"""


def without(refused: set[str], code: str, folder: Path, told: str = "") -> None:
    """Run code in a process that cannot import these packages."""
    command = [sys.executable, "-c", REFUSE.format(refused=refused) + code]
    environment = {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, input=told, cwd=folder, env=environment, text=True, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("name", registry.names("blenders"))
def test_a_fitted_blender_predicts_the_same(name: str, tmp_path: Path) -> None:
    predictions = drawn()
    blender = registry.build("blenders", spec(name, predictions))
    state = blender.fit(predictions)
    np.save(tmp_path / "logits.npy", predictions.logits)
    told = json.dumps({"spec": registry.checked("blenders", spec(name, predictions)), "models": predictions.models, "state": state})
    without(REFUSED - OF_LIGHTGBM if name == "lightgbm" else REFUSED, PREDICT, tmp_path, told)
    assert (np.load(tmp_path / "predicted.npy") == blender.predict(state, predictions)).all()


def test_numbers_that_yaml_reads_as_text_are_numbers_there_too(tmp_path: Path) -> None:
    predictions = drawn()
    written = {
        "name": "committee",
        "of": [{"name": "logistic", "clip": "2e0"}, {"name": "weights", "weights": dict.fromkeys("abcd", "1e0")}],
    }
    blender = registry.build("blenders", written)
    state = blender.fit(predictions)
    np.save(tmp_path / "logits.npy", predictions.logits)
    told = json.dumps({"spec": registry.checked("blenders", written), "models": predictions.models, "state": state})
    without(REFUSED, PREDICT, tmp_path, told)
    assert (np.load(tmp_path / "predicted.npy") == blender.predict(state, predictions)).all()


def test_a_finished_stack_is_read_and_labels_the_same(tmp_path: Path) -> None:
    predictions = drawn()
    blender = {"name": "committee", "of": [spec("calibrated", predictions), {"name": "logistic", "clip": "1e0"}]}
    recipe = parse(Recipe, {"blenders": [blender], "thresholds": [{"name": "committee"}]}, "stack.yaml")
    stack = replace(recipe.candidates().fit(predictions)[0], models=predictions.models)
    fitted = FittedStack("tables", "mine", ("one", "two", "three", "four"), stack, (), {}, "", "")
    write_fitted(tmp_path / "fitted.json", fitted)
    np.save(tmp_path / "logits.npy", predictions.logits)
    without(REFUSED, LABEL, tmp_path)
    found = np.load(tmp_path / "labelled.npz")
    for ours, theirs in zip((found["blend"], found["decisions"]), fitted.label(predictions), strict=True):
        assert ours.dtype == theirs.dtype
        assert (ours == theirs).all()
