"""A model that memorised labels is surer of held-out rows than of test rows; others are not, whatever their predictions look like."""

from dataclasses import replace

import numpy as np
import pytest

from comp.predictions.members import Member
from comp.stacking.leaks import FEWEST_ROWS, LIMIT, confidence_gap, leaking

CLASSES = ("a", "b", "c", "d")
NO_SHIFT = np.zeros(4, bool)


def drawn(rng: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    labels = rng.random((rows, 4)) < [0.02, 0.1, 0.3, 0.6]
    return labels, (1.5 * labels + rng.normal(size=labels.shape) - 1).astype(np.float32)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def member(name: str, train: np.ndarray, by_fold: np.ndarray) -> Member:
    return Member(name, True, CLASSES, train, by_fold.mean(axis=0), by_fold, {})


def memorised(logits: np.ndarray, labels: np.ndarray, share: float) -> np.ndarray:
    known = np.random.default_rng(1).random(len(labels)) < share
    return np.where(known[:, None], np.where(labels, 8, -8), logits).astype(np.float32)


def test_the_gap_is_that_of_calibrated_probabilities_by_scikit_learn(rng: np.random.Generator) -> None:
    from sklearn.linear_model import LogisticRegression

    labels, held_out = drawn(rng, 1200)
    held_out = memorised(held_out, labels, 0.2)
    test = np.stack([drawn(rng, 500)[1] for _ in range(2)])
    gaps = []
    for column in range(4):
        fitted = LogisticRegression(C=1e6).fit(held_out[:, [column]], labels[:, column])

        def expected(scores: np.ndarray, fitted: LogisticRegression = fitted) -> float:
            probs = fitted.predict_proba(scores[:, None])[:, 1]
            cuts = (2 * probs[probs >= least].sum() / ((probs >= least).sum() + probs.sum()) for least in probs)
            return max(cuts)

        gaps.append(expected(held_out[:, column]) - np.mean([expected(network[:, column]) for network in test]))
    assert confidence_gap(held_out, test, labels) == pytest.approx(np.mean(gaps), abs=0.01)


def test_the_model_that_memorised_labels_is_named_and_the_sound_one_is_not(rng: np.random.Generator) -> None:
    (labels, held_out), (_, test) = drawn(rng, 1500), drawn(rng, 800)
    held = np.arange(1500) % 10 == 0  # a hold-out, which no fold predicted
    sound, leaky = (np.where(held[:, None], np.nan, logits).astype(np.float32) for logits in (held_out, memorised(held_out, labels, 0.5)))
    members = [member("leaky", leaky, test[None]), member("sound", sound, test[None])]
    assert leaking(members, labels, ~held, NO_SHIFT) == ("leaky",)


def test_single_networks_are_compared_and_not_their_mean(rng: np.random.Generator) -> None:
    """The mean of networks that differ is less sure than each of them, which is no leak."""
    labels, held_out = drawn(rng, 3000)
    truth, _ = drawn(rng, 1000)
    networks = np.stack([(1.5 * truth + rng.normal(size=truth.shape) - 1).astype(np.float32) for _ in range(5)])
    assert leaking([member("sound", held_out, networks)], labels, np.ones(3000, bool), NO_SHIFT) == ()
    assert confidence_gap(held_out, networks.mean(axis=0)[None], labels) > LIMIT


def test_too_few_test_rows_tell_nothing(rng: np.random.Generator) -> None:
    (labels, held_out), (_, test) = drawn(rng, 1500), drawn(rng, FEWEST_ROWS)
    leaky = member("leaky", memorised(held_out, labels, 1.0), test[None])
    assert leaking([leaky], labels, np.ones(1500, bool), NO_SHIFT) == ("leaky",)
    few = replace(leaky, test=leaky.test[1:], test_by_fold=leaky.test_by_fold[:, 1:])
    assert leaking([few], labels, np.ones(1500, bool), NO_SHIFT) == ()


@pytest.mark.parametrize("kind", ["constant", "decisions", "certain"])
def test_predictions_that_say_nothing_or_only_yes_and_no_break_nothing(rng: np.random.Generator, kind: str) -> None:
    labels, held_out = drawn(rng, 1000)
    _, test = drawn(rng, 400)
    made = {
        "constant": lambda logits: np.full_like(logits, -2),
        "decisions": lambda logits: np.where(logits > 0, 16, -16).astype(np.float32),
        "certain": lambda logits: np.full_like(logits, 1e9),
    }[kind]
    assert abs(confidence_gap(made(held_out), made(test)[None], labels)) < LIMIT


def test_classes_with_few_positives_are_left_out(rng: np.random.Generator) -> None:
    labels, held_out = drawn(rng, 1000)
    labels[:, 0] = np.arange(1000) < 9
    _, test = drawn(rng, 400)
    others = confidence_gap(held_out[:, 1:], test[None, :, 1:], labels[:, 1:])
    assert confidence_gap(held_out, test[None], labels) == others
    assert confidence_gap(held_out, test[None], np.zeros_like(labels)) == 0.0


def test_classes_that_are_rarer_in_the_test_set_do_not_make_a_leak(rng: np.random.Generator) -> None:
    labels, held_out = drawn(rng, 3000)
    rarer = rng.random((3000, 4)) < [0.002, 0.02, 0.06, 0.6]
    on_test = (1.5 * rarer + rng.normal(size=rarer.shape) - 1).astype(np.float32)
    sound, folds = member("sound", held_out, on_test[None]), np.ones(3000, bool)
    assert leaking([sound], labels, folds, NO_SHIFT) == ("sound",)
    assert leaking([sound], labels, folds, np.array([True, True, True, False])) == ()
