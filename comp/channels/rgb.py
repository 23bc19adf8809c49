"""Red, green and blue as they are: microtubules, protein and nucleus."""

from comp.data.planes import Recipe


def build() -> Recipe:
    return Recipe(("red", "green", "blue"))
