"""Downloading the data of a competition with Kaggle's client."""

from comp.base.missing_packages import as_typed
from comp.base.paths import Paths
from comp.base.progress import say
from comp.competition.competition import Competition
from comp.competition.kaggle import check_downloaded
from comp.competition.kaggle_client import SILENT_SECONDS, client_program, run_client
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
    ended = run_client([str(program), *arguments], SILENT_SECONDS, count_from_last_output=True)
    archive = downloads / f"{competition.slug}.zip"
    check_downloaded(ended, archive, competition, again)
    unzip(archive, competition.folder(paths), again)
