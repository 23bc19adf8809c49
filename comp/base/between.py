"""Bounds of the numbers in options: `Annotated[int, Between(1, 100)]`, `Annotated[float, Between(above=0, most=1)]`.

Plug-ins that predict must be importable without pydantic, so their options cannot be bounded by its own classes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, repr=False)
class Between:
    """Bounds of a whole number or a float, which must be finite too; pydantic checks them.

    Attributes:
        least, most: the smallest and the largest number allowed.
        above, below: numbers that are just not allowed any more.
    """

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def __repr__(self) -> str:
        return f"Between({', '.join(f'{name}={bound}' for name, bound in vars(self).items() if bound is not None)})"

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        """The schema of the number's type, with these bounds; pydantic calls it."""
        schema = dict(handler(source))
        bounds = {"ge": self.least, "le": self.most, "gt": self.above, "lt": self.below}
        finite = {"allow_inf_nan": False} if schema["type"] == "float" else {}
        return schema | {name: bound for name, bound in bounds.items() if bound is not None} | finite
