"""Bounds of the whole numbers in a stack's YAML: beyond them, a computer would only run out of memory or time."""

from typing import Annotated

from comp.base.between import Between

Seed = Annotated[int, Between(0, 2**31 - 1)]  # the largest that LightGBM takes
Rows = Annotated[int, Between(1, 1_000_000)]
Steps = Annotated[int, Between(1, 10_000)]
Bags = Annotated[int, Between(1, 1_000)]
NoOrMoreBags = Annotated[int, Between(0, 1_000)]
