"""Downloading the data of a competition with Kaggle's client."""

from comp.base.errors import DataError
from comp.base.paths import Paths
from comp.base.progress import say
from comp.competition.competition import Competition
from comp.competition.kaggle import as_typed, client_program, credentials_hint, failure_reason, run_with_progress
from comp.images.archives import unzip


def download(competition: Competition, paths: Paths) -> None:
    """Download everything Kaggle has of the competition, and unzip it into the competition's folder. The archive stays.

    Raises:
        DataError: Kaggle's client failed, for a reason that the message gives; or the archive is damaged.
    """
    downloads, again = paths.downloads(), f"make data COMP={competition.name}"
    program = client_program()
    arguments = ["competitions", "download", "-c", str(competition.slug), "-p", str(downloads)]
    say(" ".join([as_typed(program), *arguments]))
    ended = run_with_progress([str(program), *arguments])
    archive = downloads / f"{competition.slug}.zip"
    if hint := credentials_hint(ended.stdout):
        raise DataError(f"Kaggle does not know who asks for {competition.slug}", hint)
    if ended.returncode or not archive.exists():
        page = f"https://www.kaggle.com/competitions/{competition.slug}/rules"
        what = f"Kaggle's client could not download {competition.slug} ({failure_reason(ended)})"
        raise DataError(what, f"accept the rules at {page}, then: {again}")
    unzip(archive, competition.folder(paths), again)
