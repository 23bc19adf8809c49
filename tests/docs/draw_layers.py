"""Draw docs/images/layers.svg: the rooms of comp/ in the layers that import-linter checks.

python -m tests.docs.draw_layers

The layers come from pyproject.toml, the sentence in each box from the docstring of the room's `__init__.py`.
"""

import ast
import textwrap
import tomllib
from pathlib import Path
from xml.sax.saxutils import escape

REPOSITORY = Path(__file__).parents[2]
PICTURE = REPOSITORY / "docs" / "images" / "layers.svg"
COMMANDS = "pipelines"

WIDTH, MARGIN, GAP, PADDING = 960, 16, 10, 12  # pixels
NAME_LINE, TEXT_LINE, LETTER = 20, 16, 6.6  # height of a line of each kind; width of a letter of the small text
STYLE = """
  rect { fill: #f4f7fb; stroke: #7a8ba3; rx: 4 }
  .name { font: bold 15px sans-serif; fill: #1d2a3a }
  .text { font: 12px sans-serif; fill: #3d4a5c }
"""


def main() -> None:
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(svg())
    print(f"{PICTURE.relative_to(REPOSITORY)}: {len(layers())} layers of rooms under {COMMANDS}/")


def layers() -> list[list[str]]:
    """The rooms of each layer, from high to low."""
    config = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    contract = next(each for each in config["tool"]["importlinter"]["contracts"] if each["type"] == "layers")
    return [[room.strip() for room in layer.split("|")] for layer in contract["layers"]]


def sentence(package: str) -> str:
    """What lives in a package: the first paragraph of its docstring."""
    tree = ast.parse((REPOSITORY / package / "__init__.py").read_text())
    return " ".join((ast.get_docstring(tree) or "").split("\n\n")[0].replace("`", "").split())


def svg() -> str:
    """The picture as text: equal sources give equal text."""
    rows = [[(f"{COMMANDS}/", sentence(COMMANDS))]]
    rows += [[(f"comp/{room}/", sentence(f"comp/{room}")) for room in layer] for layer in layers()]
    parts, top = (
        [_text(MARGIN, MARGIN + 12, "Imports go downwards only. Rooms side by side do not import each other.", "text")],
        MARGIN + 26,
    )
    for row in rows:
        width = (WIDTH - 2 * MARGIN - GAP * (len(row) - 1)) / len(row)
        wrapped = [textwrap.wrap(text, int((width - 2 * PADDING) / LETTER)) for _, text in row]
        height = 2 * PADDING + NAME_LINE + TEXT_LINE * max(map(len, wrapped))
        for number, ((name, _), lines) in enumerate(zip(row, wrapped, strict=True)):
            left = MARGIN + number * (width + GAP)
            parts.append(f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{height}"/>')
            parts.append(_text(left + PADDING, top + PADDING + 13, name, "name"))
            first = top + PADDING + NAME_LINE + 12
            parts += [_text(left + PADDING, first + TEXT_LINE * place, line, "text") for place, line in enumerate(lines)]
        top += height + GAP
    size = f'width="{WIDTH}" height="{top - GAP + MARGIN}" viewBox="0 0 {WIDTH} {top - GAP + MARGIN}"'
    background = '<rect width="100%" height="100%" style="fill: #ffffff; stroke: none"/>'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', f"<style>{STYLE}</style>", background, *parts, "</svg>", ""])


def _text(left: float, baseline: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{left:.1f}" y="{baseline}">{escape(text)}</text>'


if __name__ == "__main__":
    main()
