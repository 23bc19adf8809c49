"""Channels as they are: some of the competition's in the order given, or all of them."""

from comp.data.planes import Recipe


def build(of: tuple[str, ...] | None = None) -> Recipe:
    return Recipe(of)
