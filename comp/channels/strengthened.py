"""Green strengthened: merged twice with red and blue, so that it counts double; what is brighter than half is white.

A network that normalises each plane by its own mean and deviation, as the PyTorch trainer's do, undoes the factor and sees no more of
it than what saturates. The Keras networks scale by ImageNet's fixed constants, and see it.
"""

from comp.data.planes import Recipe


def build() -> Recipe:
    return Recipe(("red", "green", "blue"), ((1.0, 0.0, 0.0), (0.0, 2.0, 0.0), (0.0, 0.0, 1.0)))
