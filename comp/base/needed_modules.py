"""Which modules of this project a module needs: those that it imports, those that they import, and so on."""

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from comp.base.paths import source_of

OWN = {"comp", "pipelines"}


def needed_modules(entries: Iterable[str], late: bool = True) -> dict[str, Path]:
    """The modules that `entries` need, themselves and the packages around them included: name -> file.

    Imports below `if TYPE_CHECKING:` do not count.

    Args:
        late: imports inside functions count.
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
        waiting += [each for each in _imported(ast.parse(path.read_text()), late) if _top(each) in OWN]
    return found


def other_packages(modules: Iterable[Path], late: bool = True) -> set[str]:
    """The packages, other than this project's and Python's own, that modules import.

    Args:
        late: imports inside functions count, and those that a module can do without.
    """
    imported = {_top(name) for path in modules for name in _imported(ast.parse(path.read_text()), late)}
    return imported - sys.stdlib_module_names - OWN


def _imported(node: ast.AST, late: bool) -> Iterator[str]:
    """Names that may be modules: of `from a import b` both a and a.b."""
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        return
    if not late and (isinstance(node, ast.FunctionDef) or (isinstance(node, ast.Try) and node.handlers)):
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
    for child in ast.iter_child_nodes(node):
        yield from _imported(child, late)


def _top(name: str) -> str:
    return name.partition(".")[0]
