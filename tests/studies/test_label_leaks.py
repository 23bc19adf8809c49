"""Leaks into real predictions are found, and real predictions without one are not suspected."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from comp.competition.labels import LabelSpace
from comp.metrics.logits import logit
from comp.stacking.leaks import LIMIT, confidence_gap

SHARED = Path(os.environ.get("HPA_SHARED", "nowhere"))
SETS = ("hpa-stack", "moods", "arena-enron", "arena-scene", "arena-slashdot")
SOUND = ("vgg16", "resnet50", "inception_224", "net01", "net07", "net14", "net16", "lightgbm", "logistic", "extra", "mlp")
SURE = 8.0  # the logit of a memorised label


@dataclass(frozen=True)
class Predicted:
    """A real model's logits of labelled and of test rows, and the labels. `name` is "set/model"."""

    name: str
    held_out: np.ndarray
    test: np.ndarray
    labels: np.ndarray

    def gap(self, held_out: np.ndarray) -> float:
        return confidence_gap(held_out.astype(np.float32), self.test[None], self.labels)

    def memorised(self, share: float) -> np.ndarray:
        """Held-out logits of a model that was trained on this share of the held-out rows and knows their labels."""
        known = np.random.default_rng(0).random(len(self.labels)) < share
        return np.where(known[:, None], np.where(self.labels, SURE, -SURE), self.held_out)

    def moved(self, deviations: float) -> np.ndarray:
        """Held-out logits moved towards the labels by so many standard deviations of their class."""
        return self.held_out + deviations * self.held_out.std(axis=0) * np.where(self.labels, 1, -1)


def read(folder: Path) -> list[Predicted]:
    table = pd.read_csv(folder / "train.csv", dtype=str, keep_default_na=False)
    found = []
    for path in sorted((folder / "predictions").iterdir()):
        values = [np.load(path / f"{rows}.npy").astype(np.float32) for rows in ("val", "test")]
        is_logit = min(each.min() for each in values) < 0 or max(each.max() for each in values) > 1
        space = LabelSpace.numbered([str(number) for number in range(values[0].shape[1])])
        labels = space.multi_hot(tuple(table.Target), tuple(table.Id), "train.csv")
        held_out, test = (each if is_logit else logit(each) for each in values)
        found.append(Predicted(f"{folder.name}/{path.name}", held_out, test, labels))
    return found


@pytest.fixture(scope="module", params=[pytest.param(SETS[:1], id="small"), pytest.param(SETS, id="whole", marks=pytest.mark.study)])
def models(request: pytest.FixtureRequest) -> list[Predicted]:
    if not (SHARED / SETS[0]).is_dir():
        pytest.skip("HPA_SHARED is not set: no real predictions")
    return [model for name in request.param for model in read(SHARED / name)]


def test_no_real_model_is_suspected(models: list[Predicted]) -> None:
    gaps = {model.name: model.gap(model.held_out) for model in models}
    print(f"{len(gaps)} models, gaps {min(gaps.values()):+.3f} to {max(gaps.values()):+.3f}")
    assert max(gaps.values()) < 0.8 * LIMIT, gaps


def test_the_larger_a_leak_the_more_often_it_is_found(models: list[Predicted]) -> None:
    sound = [model for model in models if Path(model.name).name in SOUND]
    kinds = {"memorised": ((0.05, 0.1, 0.3, 1.0), Predicted.memorised), "moved": ((0.25, 0.5, 1.0, 2.0), Predicted.moved)}
    for kind, (amounts, leaked) in kinds.items():
        rates = [np.mean([model.gap(leaked(model, amount)) > LIMIT for model in sound]) for amount in amounts]
        line = f"{kind}: " + ", ".join(f"{amount:g} {rate:.2f}" for amount, rate in zip(amounts, rates, strict=True))
        print(line)
        assert rates == sorted(rates), line
        assert rates[2:] == [1, 1], line
