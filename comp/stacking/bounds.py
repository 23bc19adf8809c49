"""Bounds of the whole numbers in a stack's YAML: beyond them, a computer would only run out of memory or time."""

from typing import Annotated

from pydantic import Field

Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]  # the largest that LightGBM takes
Rows = Annotated[int, Field(ge=1, le=1_000_000)]
Steps = Annotated[int, Field(ge=1, le=10_000)]
Bags = Annotated[int, Field(ge=1, le=1_000)]
NoOrMoreBags = Annotated[int, Field(ge=0, le=1_000)]
