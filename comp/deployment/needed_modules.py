"""Which modules of `comp` a module needs: those that it imports, those that they import, and so on."""

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from comp.base.paths import source_of

COMP = "comp"


def needed_modules(entries: Iterable[str]) -> dict[str, Path]:
    """The modules that `entries` need, themselves and the packages around them included: name -> file.

    Imports inside functions count. Those below `if TYPE_CHECKING:` do not.
    """
    found: dict[str, Path] = {}
    waiting = list(entries)
    while waiting:
        name = waiting.pop()
        path = source_of(name)
        if path is None or name in found:  # without a file it is a name inside a module
            continue
        found[name] = path
        waiting += [name.rpartition(".")[0]] if "." in name else []
        waiting += [each for each in _imported(ast.parse(path.read_text())) if _top(each) == COMP]
    return found


def other_packages(modules: Iterable[Path]) -> set[str]:
    """The packages, other than `comp` and Python's own, that modules import."""
    imported = {_top(name) for path in modules for name in _imported(ast.parse(path.read_text()))}
    return imported - sys.stdlib_module_names - {COMP}


def _imported(node: ast.AST) -> Iterator[str]:
    """Names that may be modules: of `from a import b` both a and a.b."""
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
    for child in ast.iter_child_nodes(node):
        yield from _imported(child)


def _top(name: str) -> str:
    return name.partition(".")[0]
