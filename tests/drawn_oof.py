"""Out-of-fold predictions drawn from a known distribution, so that scores on any number of fresh rows can be had.

Labels come from a Gaussian copula with HPA's shares, images of one group (antibody) mostly sharing theirs. A model's logit is
a prior, what the picture shows as far as the model's skill goes, and the model's own error. What the picture shows is a signal
where the label is present, and what misleads every model, partly alike in images of one group. Skill multiplies both: else a
weak model would show what misleads the strong ones, and subtracting it would be worth more than any real member.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from comp.folds import assign
from comp.metrics import f1_from_counts
from comp.rows import Rows
from comp.stacking import Stack

Floats = NDArray[np.float32]

# images of each class among the 31,072 of the competition's train.csv
IMAGES = [12885, 1254, 3621, 1561, 1858, 2513, 1008, 2822, 53, 45, 28, 1093, 688, 537, 1066, 21]
IMAGES += [530, 210, 902, 1482, 172, 3777, 802, 2965, 322, 8228, 328, 11]
RAREST = 10  # images that the rarest classes are scaled up to
ALIKE = 0.9  # share of the latent label variance that images of one group share
SHARED_ERROR = 0.7  # share of the error variance of a model of skill 1 that all models share
GROUP_ERROR = 0.3  # share of that in turn that the images of a group share
SURE = 16.0  # the only logit, up to its sign, of the over-confident member
TAILS, MEMBERS = ("light", "heavy"), ("good", "bad")
CELLS = [(tails, members) for tails in TAILS for members in MEMBERS]
FRESH, BLOCK, PART = 200_000, 10_000, 2000


@dataclass(frozen=True, eq=False)
class World:
    """One distribution of labels and of logits.

    Attributes:
        tails: of the errors: light (normal) or heavy (Student's t, 4 degrees of freedom).
        models: M names.
        cuts: (C,) a class is present where its latent variable lies above.
        loadings: (C, F) of the latent variables on common factors, which correlate the labels.
        signal: (C,) what a label adds, in standard deviations of the error of a model of skill 1.
        skill: (M, C), 0 throughout for a coin.
        scale: (M,) of logits.
    """

    seed: int
    tails: str
    models: tuple[str, ...]
    cuts: NDArray[np.float64]
    loadings: Floats
    prior: Floats
    signal: Floats
    skill: Floats
    scale: Floats

    def labelled(self, count: int) -> Rows:
        """Rows with labels, groups, and five folds that keep groups together."""
        drawn = self.draw(count, np.random.default_rng([self.seed, 1]))
        ids = [f"{number:06d}" for number in range(count)]
        folds = assign(ids, drawn.known_labels, groups=[str(group) for group in drawn.groups], seed=self.seed)
        return Rows(drawn.logits, drawn.models, folds.fold, drawn.groups, drawn.labels)

    def fresh(self, count: int = FRESH) -> Iterator[Rows]:
        """As many labelled rows of groups never seen, in blocks."""
        rng = np.random.default_rng([self.seed, 2])
        for first in range(0, count, BLOCK):
            yield self.draw(min(BLOCK, count - first), rng)

    def draw(self, count: int, rng: np.random.Generator) -> Rows:
        return self.draw_networks(count, rng, 1, 0.0)[0]

    def draw_networks(self, count: int, rng: np.random.Generator, networks: int, apart: float) -> list[Rows]:
        """The same rows as several networks of each model see them (those of the folds).

        Args:
            apart: share of the error variance of a model of skill 1 that each network has to itself.
        """
        groups = np.repeat(np.arange(count), 1 + rng.poisson(0.6, count))[:count]
        labels = self._labels(groups, rng)
        of_groups = self._errors(rng, (int(groups[-1]) + 1, labels.shape[1]))[groups]
        misleading = np.sqrt(GROUP_ERROR) * of_groups + np.sqrt(1 - GROUP_ERROR) * self._errors(rng, labels.shape)
        misleading *= np.float32(np.sqrt(SHARED_ERROR * (1 - apart)))
        picture = labels * self.signal + misleading
        own = np.float32(np.sqrt((1 - SHARED_ERROR) * (1 - apart)))
        drawn = np.empty((networks, len(self.models), *labels.shape), np.float32)
        for number, model in enumerate(self.models):
            common = self.prior + self.skill[number] * picture + own * self._errors(rng, labels.shape)
            for network in range(networks):
                logits = common + np.float32(np.sqrt(apart)) * self._errors(rng, labels.shape) if apart else common
                drawn[network, number] = np.where(logits > 0, SURE, -SURE) if model == "sure" else logits * self.scale[number]
        folds = np.full(count, -1, np.int8)
        return [Rows(logits, self.models, folds, groups, labels) for logits in drawn]

    def _labels(self, groups: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.bool_]:
        classes, factors = self.loadings.shape
        count = int(groups[-1]) + 1
        own = np.sqrt(1 - (self.loadings**2).sum(axis=1))
        latent = rng.standard_normal((count, factors), np.float32) @ self.loadings.T
        latent += own * rng.standard_normal((count, classes), np.float32)
        above = np.float32(np.sqrt(ALIKE)) * latent[groups]
        above += np.float32(np.sqrt(1 - ALIKE)) * rng.standard_normal((len(groups), classes), np.float32)
        above -= self.cuts.astype(np.float32)
        labels = above > 0
        labels[~labels.any(axis=1), self.cuts.argmin()] = True  # the most frequent class, so that rare ones stay rare
        return labels

    def _errors(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        """Of mean 0 and variance 1: t = normal / sqrt(chi-square / 4), where chi-square (4) is twice a sum of two exponentials."""
        errors = rng.standard_normal(shape, np.float32)
        if self.tails == "heavy":
            spread = rng.standard_exponential(shape, np.float32)
            spread += rng.standard_exponential(shape, np.float32)
            errors /= np.sqrt(spread, out=spread)  # the square root of 2 that is left out here is the deviation of t (4)
        return errors


def draw_world(seed: int, tails: str, members: str, *, count: int = 2000, good: int = 5, classes: int = 28) -> World:
    """A world whose rarest classes have about `RAREST` of `count` images.

    Args:
        tails: one of `TAILS`.
        members: "good": `good` models of more or less like skill; "bad": three more, a coin, an over-confident one whose logits are
            exactly +-16, and one that sees only part of the picture: little of most classes.
        classes: that many of HPA's, spread over all frequencies.
    """
    if tails not in TAILS or members not in MEMBERS:
        raise ValueError(f"there are no {tails} tails with {members} members")
    rng = np.random.default_rng([seed, 0])
    images = np.sort(IMAGES)[np.linspace(0, len(IMAGES) - 1, classes).round().astype(int)]
    shares = np.maximum(images / 31072, RAREST / count)
    models = [f"model-{number}" for number in range(good)]
    alike = rng.uniform(0.8, 1.0)  # in some worlds all members are worth the same, and nothing beats their mean
    skill = rng.uniform(alike, 1.0, (good, 1)) * rng.normal(1, 0.1, (good, classes))
    scale = rng.uniform(0.8, 1.5, len(models))
    if members == "bad":
        models += ["coin", "sure", "one-channel"]
        partial = np.where(rng.random(classes) < 0.2, 0.9, 0.3)
        skill = np.vstack([skill, np.zeros(classes), 0.85 * rng.normal(1, 0.1, classes), partial])
        scale = np.r_[scale, rng.uniform(1.5, 3.0, 3)]  # they are surer than they should be
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
        in_parts: (stacks,) mean over parts of `PART` rows each. Lower than pooled, because F1 is concave in the hits: of
            TP ~ Poisson, and FP + FN likewise, n in all and a share q hits, it loses about 2 q (1 - q) / (n (1 + q)^3) by a
            Taylor expansion, which is 0.01 for a class of fifteen. A score on few labelled rows is that much lower too.
    """

    pooled: NDArray[np.float64]
    in_parts: NDArray[np.float64]


def fresh_scores(stacks: list[Stack], world: World, count: int = FRESH) -> FreshScores:
    """Scores on fresh rows, a multiple of `PART`; neighbouring stacks share a blend where their fitted blender is the same object."""
    hits, predicted, positives = [], [], []
    for rows in world.fresh(count):
        starts = np.arange(0, len(rows), PART)
        labels = rows.known_labels
        positives.append(np.add.reduceat(labels, starts, axis=0, dtype=np.int64))
        decided, last = [], None
        for stack in stacks:
            if last is None or stack.blender is not last.blender or stack.blend is not last.blend:
                blend = stack.blended(rows)
            decided.append(stack.decide(blend)[0])
            last = stack
        hits.append([np.add.reduceat(one & labels, starts, axis=0, dtype=np.int64) for one in decided])
        predicted.append([np.add.reduceat(one, starts, axis=0, dtype=np.int64) for one in decided])
    has, hit, said = np.concatenate(positives), np.concatenate(hits, axis=1), np.concatenate(predicted, axis=1)
    in_parts = f1_from_counts(hit, said - hit, has - hit).mean(axis=(1, 2))
    hit, said, has = hit.sum(axis=1), said.sum(axis=1), has.sum(axis=0)
    return FreshScores(f1_from_counts(hit, said - hit, has - hit).mean(axis=1), in_parts)
