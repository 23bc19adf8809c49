"""Write the table of image forms in docs/image-files.md, from what reading does with the files of `tests.unit.images.formats`.

python -m tests.docs.image_formats
"""

import re
import tempfile
from collections import Counter
from pathlib import Path

from tests.unit.images.formats.outcomes import Outcomes, outcomes

PAGE = Path(__file__).parents[2] / "docs" / "image-files.md"
HEAD = "| written by | form | files | outcome |\n|---|---|---|---|\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        found, different = outcomes(Path(folder))
    before, _, rest = PAGE.read_text().partition(HEAD)
    PAGE.write_text(before + table(found) + re.sub(r"\A(\|.*\n)*", "", rest))
    print(f"{PAGE.name}: {sum(each.total() for each in found.values()):,} files, {len(different)} of them read wrongly")


def table(found: Outcomes) -> str:
    """One row for each form: how many files of it there are, and what happens to them."""
    rows = []
    for (writer, form), counts in found.items():
        kinds: Counter[str] = Counter()
        for outcome, count in counts.items():
            kinds[re.sub(r"\d+ planes", "several planes", outcome)] += count
        said = "; ".join(what if len(kinds) == 1 else f"{what}: {count}" for what, count in sorted(kinds.items()))
        rows.append(f"| {writer} | {form} | {counts.total()} | {said} |\n")
    return HEAD + "".join(rows)


if __name__ == "__main__":
    main()
