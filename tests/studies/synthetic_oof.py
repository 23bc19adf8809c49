"""Synthetic out-of-fold predictions from a known distribution, from which any number of fresh rows can be drawn.

Labels come from a Gaussian copula with HPA's shares; images of one group (antibody) mostly have the same labels. A model's logit
is the sum of a prior, its skill times the picture, and an error of its own. The picture is the sum of a signal where the label is
present and an error that all models share, which is correlated within a group. Skill multiplies signal and shared error. Otherwise
a weak model would reveal the error of the strong ones, and subtracting it would help more than any real member does.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from comp.competition.competition import FoldPlan
from comp.folds.assignment import assign_folds
from comp.metrics.macro_f1 import f1_from_counts
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.stack import Stack

Floats = NDArray[np.float32]

# images of each class, among the 31,072 of the competition's train.csv
IMAGES = [12885, 1254, 3621, 1561, 1858, 2513, 1008, 2822, 53, 45, 28, 1093, 688, 537, 1066, 21]
IMAGES += [530, 210, 902, 1482, 172, 3777, 802, 2965, 322, 8228, 328, 11]
RAREST = 10  # images of the rarest classes; smaller classes are scaled up to this
ALIKE = 0.9  # share of the variance of the latent labels that is common to the images of a group
SHARED_ERROR = 0.7  # share of the error variance of a model of skill 1 that is common to all models
GROUP_ERROR = 0.3  # share of this common variance that is common to the images of a group
SURE = 16.0  # the over-confident member predicts only this logit and its negative
TAILS, MEMBERS = ("light", "heavy"), ("good", "bad")
CELLS = [(tails, members) for tails in TAILS for members in MEMBERS]
FRESH, BLOCK, SAMPLE = 200_000, 10_000, 2000  # rows


@dataclass(frozen=True, eq=False)
class World:
    """One distribution of labels and of logits.

    Attributes:
        tails: distribution of the errors: light (normal) or heavy (Student's t, 4 degrees of freedom).
        models: M names.
        latent_thresholds: (C,) a class is present where its latent variable is above this.
        loadings: (C, F) of the latent variables on common factors, which correlate the labels.
        signal: (C,) what a label adds, in standard deviations of the error of a model of skill 1.
        skill: (M, C); all 0 for the coin.
        scale: (M,) factor of the logits.
        unequal: groups of very unequal size, the median of 8 rows, instead of 1.6 rows on average.
    """

    seed: int
    tails: str
    models: tuple[str, ...]
    latent_thresholds: NDArray[np.float64]
    loadings: Floats
    prior: Floats
    signal: Floats
    skill: Floats
    scale: Floats
    unequal: bool = False

    def labelled(self, count: int) -> PredictionSet:
        """Predictions with labels and groups, in five folds that keep groups together."""
        drawn = self.draw(count, np.random.default_rng([self.seed, 1]))
        ids = [f"{number:06d}" for number in range(count)]
        folds = assign_folds(ids, drawn.known_labels, FoldPlan(seed=self.seed), groups=[str(group) for group in drawn.groups])
        return PredictionSet(drawn.logits, drawn.models, folds.fold, drawn.groups, drawn.labels)

    def fresh(self, count: int = FRESH) -> Iterator[PredictionSet]:
        """`count` labelled rows of new groups, in blocks."""
        rng = np.random.default_rng([self.seed, 2])
        for first in range(0, count, BLOCK):
            yield self.draw(min(BLOCK, count - first), rng)

    def draw(self, count: int, rng: np.random.Generator) -> PredictionSet:
        return self.draw_networks(count, rng, 1, 0.0)[0]

    def draw_networks(self, count: int, rng: np.random.Generator, networks: int, apart: float) -> list[PredictionSet]:
        """Predictions of several networks of each model (one per fold) for the same rows.

        Args:
            apart: share of the error variance of a model of skill 1 that is each network's own.
        """
        sizes = np.ceil(8 * rng.lognormal(0, 1, count)).astype(int) if self.unequal else 1 + rng.poisson(0.6, count)
        groups = np.repeat(np.arange(count), sizes)[:count]
        labels = self._labels(groups, rng)
        of_groups = self._errors(rng, (int(groups[-1]) + 1, labels.shape[1]))[groups]
        misleading = np.sqrt(GROUP_ERROR) * of_groups + np.sqrt(1 - GROUP_ERROR) * self._errors(rng, labels.shape)
        misleading *= np.float32(np.sqrt(SHARED_ERROR * (1 - apart)))
        picture = labels * self.signal + misleading
        own = np.float32(np.sqrt((1 - SHARED_ERROR) * (1 - apart)))
        predicted = np.empty((networks, len(self.models), *labels.shape), np.float32)
        for number, model in enumerate(self.models):
            common = self.prior + self.skill[number] * picture + own * self._errors(rng, labels.shape)
            for network in range(networks):
                logits = common + np.float32(np.sqrt(apart)) * self._errors(rng, labels.shape) if apart else common
                predicted[network, number] = np.where(logits > 0, SURE, -SURE) if model == "sure" else logits * self.scale[number]
        folds = np.full(count, -1, np.int8)
        return [PredictionSet(logits, self.models, folds, groups, labels) for logits in predicted]

    def _labels(self, groups: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.bool_]:
        classes, factors = self.loadings.shape
        count = int(groups[-1]) + 1
        own = np.sqrt(1 - (self.loadings**2).sum(axis=1))
        latent = rng.standard_normal((count, factors), np.float32) @ self.loadings.T
        latent += own * rng.standard_normal((count, classes), np.float32)
        above = np.float32(np.sqrt(ALIKE)) * latent[groups]
        above += np.float32(np.sqrt(1 - ALIKE)) * rng.standard_normal((len(groups), classes), np.float32)
        above -= self.latent_thresholds.astype(np.float32)
        labels = above > 0
        labels[~labels.any(axis=1), self.latent_thresholds.argmin()] = True  # the most frequent class
        return labels

    def _errors(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        """Errors of mean 0 and variance 1: t = normal / sqrt(chi-square / 4), where chi-square (4) is twice a sum of two exponentials."""
        errors = rng.standard_normal(shape, np.float32)
        if self.tails == "heavy":
            spread = rng.standard_exponential(shape, np.float32)
            spread += rng.standard_exponential(shape, np.float32)
            errors /= np.sqrt(spread, out=spread)  # without the factor sqrt(2), which is the standard deviation of t (4)
        return errors


def draw_world(seed: int, tails: str, members: str, *, count: int = 2000, good: int = 5, classes: int = 28) -> World:
    """A world whose rarest classes have about `RAREST` of `count` images.

    Args:
        tails: one of `TAILS`.
        members: "good": `good` models of similar skill. "bad": three more: a coin; an over-confident one with logits of exactly +-16;
            one that shows little of most classes.
        classes: how many of HPA's classes, spread over all frequencies.
    """
    if tails not in TAILS or members not in MEMBERS:
        raise ValueError(f"there are no {tails} tails with {members} members")
    rng = np.random.default_rng([seed, 0])
    images = np.sort(IMAGES)[np.linspace(0, len(IMAGES) - 1, classes).round().astype(int)]
    shares = np.maximum(images / 31072, RAREST / count)
    models = [f"model-{number}" for number in range(good)]
    alike = rng.uniform(0.8, 1.0)  # in some worlds all members have the same skill, and nothing beats their mean
    skill = rng.uniform(alike, 1.0, (good, 1)) * rng.normal(1, 0.1, (good, classes))
    scale = rng.uniform(0.8, 1.5, len(models))
    if members == "bad":
        models += ["coin", "sure", "one-channel"]
        partial = np.where(rng.random(classes) < 0.2, 0.9, 0.3)
        skill = np.vstack([skill, np.zeros(classes), 0.85 * rng.normal(1, 0.1, classes), partial])
        scale = np.r_[scale, rng.uniform(1.5, 3.0, 3)]  # they are over-confident
    return World(
        seed,
        tails,
        tuple(models),
        norm.isf(shares),
        rng.uniform(-0.4, 0.4, (classes, 2)).astype(np.float32),
        (0.4 * np.log(shares) - 1).astype(np.float32),
        rng.normal(2.4, 0.5, classes).astype(np.float32),
        skill.astype(np.float32),
        scale.astype(np.float32),
    )


@dataclass(frozen=True)
class FreshScores:
    """Macro F1 of fitted stacks on fresh rows.

    Attributes:
        pooled: (stacks,) over all rows.
        in_samples: (stacks,) mean over samples of `SAMPLE` rows each. It is lower than pooled, because F1 is concave in the hits:
            if TP and FP + FN are Poisson with sum n and a share q of hits, F1 loses about 2 q (1 - q) / (n (1 + q)^3) by a Taylor
            expansion. For a class of fifteen this is 0.01. A score on a few labelled rows is lower by the same amount.
    """

    pooled: NDArray[np.float64]
    in_samples: NDArray[np.float64]


def fresh_scores(stacks: list[Stack], world: World, count: int = FRESH) -> FreshScores:
    """Scores on fresh rows, whose count is a multiple of `SAMPLE`. Stacks with the same fitted blender share its blend."""
    hits, predicted, positives = [], [], []
    for predictions in world.fresh(count):
        starts = np.arange(0, len(predictions), SAMPLE)
        labels = predictions.known_labels
        positives.append(np.add.reduceat(labels, starts, axis=0, dtype=np.int64))
        blends: dict[int, PredictionSet] = {}
        decided = []
        for stack in stacks:
            if id(stack.blend) not in blends:
                blends[id(stack.blend)] = stack.blended(predictions)
            decided.append(stack.decide(blends[id(stack.blend)])[0])
        hits.append([np.add.reduceat(one & labels, starts, axis=0, dtype=np.int64) for one in decided])
        predicted.append([np.add.reduceat(one, starts, axis=0, dtype=np.int64) for one in decided])
    tp, said, actual = (np.asarray(np.concatenate(each, axis=axis)) for each, axis in ((hits, 1), (predicted, 1), (positives, 0)))
    in_samples = f1_from_counts(tp, said - tp, actual - tp).mean(axis=(1, 2))
    tp, said, actual = tp.sum(axis=1), said.sum(axis=1), actual.sum(axis=0)
    return FreshScores(f1_from_counts(tp, said - tp, actual - tp).mean(axis=1), in_samples)
