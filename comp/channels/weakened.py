"""Red and blue weakened, plus green: an RGB picture with `factor` of red and blue, and all of green.

A network that normalises each plane by its own mean and deviation, as the PyTorch trainer's do, undoes the factor and sees no more of
it than the rounding to whole grey values. The Keras networks scale by ImageNet's fixed constants, and see it.
"""

from typing import Annotated

from annotated_types import Gt, Le

from comp.data.planes import Recipe


def build(factor: Annotated[float, Gt(0), Le(1)] = 0.5) -> Recipe:
    return Recipe(("red", "green", "blue"), ((factor, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, factor)))
