"""A logistic regression per class on the models' logits, held to another blend."""

from typing import Annotated, Any

import numpy as np
from annotated_types import Gt, Le
from numpy.typing import NDArray

from comp import parts
from comp.metrics import sigmoid
from comp.rows import Rows

Floats = NDArray[np.float64]
INTERCEPT = 0.01  # its penalty: next to none, or the slopes, summed over models, would shift the level in its stead
STEPS, ENOUGH = 50, 1e-8  # of Newton's method; the decrement (twice the expected gain in likelihood) at which it stops


class Logistic:
    """logit p = base + b + sum over models of w_m z_m, where `base` is the logit of another blender.

    For each class, w and b have the highest sum of log likelihoods minus (strength |w|^2 + INTERCEPT b^2) / 2. The penalty
    does not grow with the rows, so a class of a few positives keeps the base, and one of thousands is free of it. z are
    logits clipped to +-clip: probabilities of exact 0 and 1, stored as +-16, would decide every fit.
    """

    def __init__(self, base: Any, strength: float, clip: float) -> None:
        self.base = base
        self.strength = strength
        self.clip = clip

    def fit(self, rows: Rows) -> dict[str, Any]:
        """The state of the base, and for each class the w_m by model, and b under the name "": none where all rows are alike."""
        state = self.base.fit(rows)
        rows = rows.in_own_order()
        base = self.base.predict(state, rows.unlabelled())
        penalty = np.array([*[self.strength] * len(rows.models), INTERCEPT])
        slopes: list[dict[str, float]] = []
        for column, has in enumerate(rows.known_labels.T):
            if has.all() or not has.any():
                slopes.append({})
                continue
            design = np.column_stack([*self.clipped(rows, column), np.ones(len(rows))])
            found = newton(design, base[:, column], has.astype(np.float64), penalty)
            slopes.append(dict(zip([*rows.models, ""], found.tolist(), strict=True)))
        return {"base": state, "slopes": slopes}

    def predict(self, state: dict[str, Any], rows: Rows) -> Floats:
        predicted = self.base.predict(state["base"], rows)
        for column, slopes in enumerate(state["slopes"]):
            if slopes:
                predicted[:, column] += slopes[""]
                for model, values in zip(rows.models, self.clipped(rows, column), strict=True):
                    predicted[:, column] += slopes[model] * values
        return predicted

    def clipped(self, rows: Rows, column: int) -> Floats:
        """(M, N) logits of one class."""
        return np.clip(rows.logits[:, :, column], -self.clip, self.clip).astype(np.float64)


def newton(design: Floats, offset: Floats, labels: Floats, penalty: Floats) -> Floats:
    """The coefficients (K,) of least penalised negative log likelihood, by Newton's method with halved steps where it rises.

    Args:
        design: (N, K).
        offset: (N,) part of the logit that is given.
        labels: (N,) 0 or 1.
        penalty: (K,) positive; half of it times the square of each coefficient is added.
    """

    def loss(slopes: Floats) -> tuple[float, Floats]:
        logits = offset + design @ slopes
        return float((np.logaddexp(0, logits) - labels * logits).sum() + penalty @ slopes**2 / 2), logits

    slopes = np.zeros(design.shape[1])
    reached, logits = loss(slopes)
    for _ in range(STEPS):
        probs = sigmoid(logits)
        gradient = design.T @ (probs - labels) + penalty * slopes
        curvature = (design * (probs * (1 - probs))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        if gradient @ step < ENOUGH:
            break
        share = 1.0
        while (tried := loss(slopes - share * step))[0] > reached and share > 1e-6:
            share /= 2
        slopes = slopes - share * step
        reached, logits = tried
    return slopes


Size = Annotated[float, Gt(0), Le(1e15)]


def build(base: dict[str, Any] | None = None, strength: Size = 10.0, clip: Size = 8.0) -> Logistic:
    return Logistic(parts.build("blenders", base if base is not None else {"name": "convex"}), strength, clip)
