"""Grey of red and blue, plus green: an RGB picture whose planes are all the mean of red and blue, with green added to the green one.

Green may saturate, and red and blue can no longer be told apart.
"""

from comp.data.planes import Recipe


def build() -> Recipe:
    return Recipe(("red", "green", "blue"), ((0.5, 0.0, 0.5), (0.5, 1.0, 0.5), (0.5, 0.0, 0.5)))
