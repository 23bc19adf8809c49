"""Get the data of a competition, check that every image is there, and read the images into the cache.

    make data COMP=hpa                     with Kaggle's client, then unzipped into data/hpa
    make data COMP=hpa DATA=/where/it/is   a folder that lies somewhere: data/hpa becomes a link to it
    make data                              the practice competition is drawn

Interrupted, it goes on where it was; what is there already is not fetched again.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from comp.competition import Competition, load_competition, read_groups, read_test_ids, read_train
from comp.data.archives import unzip
from comp.data.cache_filling import missing_files, refuse
from comp.errors import ConfigError, DataError
from comp.paths import Paths, config
from comp.schema import parse
from comp.workers import cores
from pipelines.cache import PARTS, image_files, prepare_cache, usual_size
from pipelines.command import parser, run, say
from pipelines.kaggle_client import as_typed, client, missing_credentials, reason


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--data", type=Path, metavar="DIR", help="a folder in Kaggle's layout, which then stands for the competition's")
    given = arguments.parse_args()
    competition = load_competition(given.competition)
    paths = Paths(competition.name)
    if given.data:
        use_folder(competition, paths, given.data)
    ensure_data(competition, paths, download=True)
    check(competition, paths)
    if competition.images:
        for part in PARTS:
            prepare_cache(competition, paths, part, usual_size(competition))
    say(f"{competition.folder(paths)} is complete")


def ensure_data(competition: Competition, paths: Paths, download: bool = False) -> None:
    """Draw the data where it is drawn; download it if that is allowed and something lacks.

    Raises:
        DataError: there is none and it cannot be made; the message says how to get it.
    """
    folder = competition.folder(paths)
    if competition.practice is not None:
        _draw(competition, folder)
    elif download and not _is_complete(competition, paths):
        _download(competition, paths)
    elif not (folder / competition.tables.train).exists():
        raise DataError(f"there is no {folder / competition.tables.train}", f"get the data with: make data COMP={competition.name}")


def check(competition: Competition, paths: Paths) -> None:
    """Say what the tables hold.

    Raises:
        DataError: a table or an image is missing, or a table is wrong; missing images are listed in a CSV.
    """
    ids, labels = read_train(competition, paths)
    test_ids = read_test_ids(competition, paths)
    groups = read_groups(competition, paths, ids)
    grouped = f" in {len(set(groups)):,} groups" if groups else ""
    classes = f"{int(labels.any(0).sum())} of {len(competition.classes)} classes"
    say(f"{competition.folder(paths)}: {len(ids):,} train images{grouped} with {classes}, {len(test_ids):,} test images")
    for part in PARTS if competition.images else ():
        files = image_files(competition, paths, part)
        report = paths.duplicates().with_name(f"{part}-missing.csv")
        refuse(missing_files(files), len(files), report, f"make data COMP={competition.name}")
        report.unlink(missing_ok=True)


def use_folder(competition: Competition, paths: Paths, given: Path) -> None:
    """Check the folder `given` and make the competition's own folder a link to it.

    Raises:
        DataError, ConfigError: it lacks something, or the competition's own folder is in the way.
    """
    if not given.is_dir():
        raise DataError(f"there is no folder {given}", "correct DATA")
    link, target = competition.folder(paths), given.resolve()
    if link.resolve() == target:
        return
    if Path(competition.data).is_absolute():
        raise ConfigError(
            f"competition {competition.name} has its data in {competition.data}", "change `data` in its YAML, or leave DATA away"
        )
    if link.exists() and not link.is_symlink():
        raise DataError(f"{link} exists", f"move it away, then: make data COMP={competition.name} DATA={given}")
    check(competition.model_copy(update={"data": str(target)}), paths)
    link.parent.mkdir(parents=True, exist_ok=True)
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    fresh.symlink_to(target)
    fresh.replace(link)
    say(f"{link} now leads to {target}")


def _is_complete(competition: Competition, paths: Paths) -> bool:
    folder = competition.folder(paths)
    if not all((folder / name).is_file() for name in (competition.tables.train, competition.tables.test)):
        return False
    return not competition.images or not any(missing_files(image_files(competition, paths, part)) for part in PARTS)


def _draw(competition: Competition, folder: Path) -> None:
    from comp.practice.tables import PracticeSpec
    from comp.practice.writer import write

    spec = parse(PracticeSpec, competition.practice or {}, f"{config('competitions', competition.name)}: practice")
    if not (folder / competition.tables.train).exists():
        say(f"drawing the competition {competition.name} into {folder}")
    write(folder, spec, cores())


def _download(competition: Competition, paths: Paths) -> None:
    """Everything Kaggle has of the competition, unzipped into its folder.

    Raises:
        DataError: Kaggle's client failed; the message says why.
    """
    folder, downloads = competition.folder(paths), paths.downloads()
    again = f"make data COMP={competition.name}"
    if competition.slug is None or folder.is_symlink() or Path(competition.data).is_absolute():
        if not (folder / competition.tables.train).exists():
            raise DataError(f"there is no {folder / competition.tables.train}", f"name the folder that has it: {again} DATA=dir")
        check(competition, paths)  # says what lacks: the folder is the user's, and theirs to complete
        return
    program = client()
    arguments = ["competitions", "download", "-c", competition.slug, "-p", str(downloads)]
    say(" ".join([as_typed(program), *arguments]))
    ended = _run_showing([str(program), *arguments])
    archive = downloads / f"{competition.slug}.zip"
    if hint := missing_credentials(ended.stdout):
        raise DataError(f"Kaggle does not know who asks for {competition.slug}", hint)
    if ended.returncode or not archive.exists():
        page = f"https://www.kaggle.com/competitions/{competition.slug}/rules"
        raise DataError(
            f"Kaggle's client could not download {competition.slug} ({reason(ended)})", f"accept the rules at {page}, then: {again}"
        )
    unzip(archive, folder, again)
    check(competition, paths)
    shutil.rmtree(downloads)


def _run_showing(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command and keep its output; a person sees its progress bar as it moves."""
    output = bytearray()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0) as process:
        assert process.stdout is not None
        while piece := process.stdout.read(1 << 16):
            output += piece
            if b"B/s]" in piece and sys.stderr.isatty():
                sys.stderr.write(piece.decode(errors="replace"))
                sys.stderr.flush()
    return subprocess.CompletedProcess(command, process.returncode, output.decode(errors="replace"), "")


if __name__ == "__main__":
    run(main)
