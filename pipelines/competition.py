"""Write the YAML of a new competition by reading its folder, and say what was found.

    make competition COMP=name DATA=dir    writes configs/local/name.yaml, which git ignores

The folder is in Kaggle's layout: train.csv (ids with labels: a string an id, a column a class, or a row a label), sample_submission.csv
and images (PNG, TIFF, JPEG, BMP or WebP; one file per channel, or one file with all; in any folders). Without images, predictions can be
imported. What was understood is printed, with an example row and an example image: correct the YAML if it is wrong.
"""

from pathlib import Path

import yaml

from comp.base.files import write_text
from comp.base.progress import say
from comp.base.schema import parse
from comp.competition.competition import Competition
from comp.competition.competition_yaml import WRITTEN, inspect_folder, most_similar, yaml_path, yaml_values
from comp.competition.folder_description import describe
from pipelines.command import parser, run


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder to read")
    options = arguments.parse_args()
    name, path = options.competition, yaml_path(options.competition)
    found = inspect_folder(options.data)
    like = most_similar(found)
    values = yaml_values(name, found, like)
    competition = parse(Competition, {"name": name, **values}, str(path))
    for line in describe(competition, found, like):
        say(line)
    first = f"{WRITTEN} COMP={name} DATA={options.data}\n"
    write_text(path, first + yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=140))
    say(f"written: {path}; next: make {'folds' if found.images else 'import'} COMP={name}")


if __name__ == "__main__":
    run(main)
