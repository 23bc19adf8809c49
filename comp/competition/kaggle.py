"""What the output of Kaggle's own client means, and what to do then."""

import re
from pathlib import Path

from comp.base.errors import DataError, SubmissionError
from comp.base.missing_packages import as_typed
from comp.base.paths import config
from comp.competition.competition import Competition
from comp.competition.kaggle_client import PROGRESS, Ended, client_program

UPLOADED = re.compile(r"Successfully submitted to .+")  # Kaggle's reply to a submission, a line of its own; the client prints it
NO_CREDENTIALS = "Authentication required"  # the client's
UPLOAD_FAILED = "Could not submit to competition"  # printed by the client, with return code 0
NO_RULES = re.compile(r"\brules\b|403 client error|forbidden|permission '\S+' was denied", re.IGNORECASE)
NOT_FOUND = re.compile(r"not found|could not find|404 client error", re.IGNORECASE)
NOT_CONNECTED = re.compile(r"failed to establish|name resolution|NameResolutionError|refused", re.IGNORECASE)
MAYBE_SENT = re.compile(r"Traceback \(most recent call last\)|CreateSubmission|Connection aborted|Connection broken|timed out")
MOST = 300  # characters of the client's output that a message repeats


def submissions_page(slug: str) -> str:
    return f"https://www.kaggle.com/competitions/{slug}/submissions"


def check_submitted(ended: Ended, path: Path, competition: Competition) -> None:
    """Check that Kaggle took a submission; the client's return code can be 0 after a failure.

    Raises:
        SubmissionError: it was not taken, or nobody knows whether it was.
    """
    page = submissions_page(str(competition.slug))
    text, why = f"{ended.out}\n{ended.err}", failure_reason(ended)
    if ended.code == 0 and any(UPLOADED.fullmatch(line) for line in _lines(ended.out)):
        return
    unknown = f"it is unknown whether Kaggle took {path}"
    if ended.code is None:
        raise SubmissionError(f"{unknown}: the client did not end in time and was stopped ({why})", f"look at {page} before trying again")
    if hint := refusal_hint(text, competition):
        raise SubmissionError(f"{path} was not submitted ({why})", hint)
    if UPLOAD_FAILED in text:
        raise SubmissionError(f"{path} was not submitted: the upload failed ({why})", "check the network, then type the command again")
    if ended.code == 0:
        raise SubmissionError(f"the client did not say that {path} was submitted ({why})", f"look at {page} before trying again")
    if ended.code < 0 or (MAYBE_SENT.search(text) and not NOT_CONNECTED.search(text)):
        raise SubmissionError(f"{unknown}: the client broke off ({why})", f"look at {page} before trying again")
    raise SubmissionError(f"{path} was not submitted ({why})", f"see the limits at {page}, or check the network")


def check_downloaded(ended: Ended, archive: Path, competition: Competition, again: str) -> None:
    """Check that the client downloaded `archive`; `again` is the command to type.

    Raises:
        DataError: it did not; the message says why.
    """
    if ended.code == 0 and archive.is_file():
        return
    late = "it printed nothing for too long and was stopped; " if ended.code is None else ""
    what = f"Kaggle's client could not download {competition.slug} ({late}{failure_reason(ended)})"
    hint = refusal_hint(f"{ended.out}\n{ended.err}", competition)
    raise DataError(what, f"{hint}, then: {again}" if hint else f"check the network, then: {again}")


def refusal_hint(text: str, competition: Competition) -> str:
    """What to do if the client's output says that Kaggle refused the request: about credentials, rules or the slug; else empty."""
    if NO_CREDENTIALS in text:
        token = "save a token from https://www.kaggle.com/settings/api as ~/.kaggle/access_token"
        return f"type `{as_typed(client_program())} auth login`, or {token}, then try again"
    if NO_RULES.search(text):
        return f"accept the rules at https://www.kaggle.com/competitions/{competition.slug}/rules"
    if NOT_FOUND.search(text):
        address = f"https://www.kaggle.com/competitions/{competition.slug}"
        return f"check `slug: {competition.slug}` in {config('competitions', competition.name)}: it is the end of the address {address}"
    return ""


def failure_reason(ended: Ended) -> str:
    """What the client printed, on one line and without its progress bars."""
    text = f"{ended.out}\n{ended.err}"
    if NO_CREDENTIALS in text:
        return "Kaggle does not know who asks"
    said = "; ".join(line for line in _lines(text) if PROGRESS.decode() not in line)
    return said[-MOST:] or ("no output" if ended.code is None else f"return code {ended.code}, no output")


def _lines(text: str) -> list[str]:
    return [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]
