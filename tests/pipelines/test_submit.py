"""`make submit` drives the unmodified kaggle program against a server on loopback."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from comp.competition.competition import load_competition
from comp.submission.submission import write_submission
from tests.pipelines.kaggle_server import KaggleServer

ROOT = Path(__file__).parents[2]
SIDECAR = {"nested": {"value": 0.41234, "error": 0.01}}
RULES = "accept the rules at https://www.kaggle.com/competitions/tiny-atlas/rules"
YAML = "title: Tiny\nslug: tiny-atlas\ndata: data/tiny\nclasses: [Nucleus, Cytosol, Rods]\n"


@pytest.fixture
def server() -> Iterator[KaggleServer]:
    with KaggleServer() as started:
        yield started


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with two competitions, one of them on Kaggle, and nothing submitted."""
    for name, text in (("tiny", YAML), ("offline", YAML.replace("slug: tiny-atlas\n", ""))):
        path = tmp_path / "configs" / "competitions" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    data = tmp_path / "data" / "tiny"
    data.mkdir(parents=True)
    (data / "sample_submission.csv").write_text("Id,Predicted\na,0\nb,0\nc,0\n")
    return tmp_path


@pytest.fixture
def submission(project: Path) -> Path:
    competition = load_competition("tiny", project)
    return write_submission(project / "submissions" / "tiny" / "stack", {"a": "0", "b": "1 2", "c": "1"}, competition, SIDECAR)


def submit(project: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipelines.submit", *(arguments or ("--competition", "tiny"))]
    return subprocess.run(command, cwd=project, env={**environment, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)


def refusal(ended: subprocess.CompletedProcess[str]) -> str:
    """The one line of stderr of a command that ended with exit code 2."""
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
    return ended.stderr


def test_success_uploads_exactly_these_bytes(project: Path, submission: Path, server: KaggleServer) -> None:
    ended = submit(project, server.environment(project))
    assert ended.returncode == 0, ended.stderr
    assert server.uploads == [submission.read_bytes()]
    message = f"{submission.stem}, nested macro F1 0.4123 +- 0.0100"
    wanted = {"competitionName": "tiny-atlas", "blobFileTokens": "token-1", "submissionDescription": message}
    assert server.called("CreateSubmission") == [wanted]
    assert f"checking submissions/tiny/{submission.name} (the newest" in ended.stdout
    assert "3 rows; labels per row: 2 with 1, 1 with 2" in ended.stdout
    assert "Successfully submitted to tiny-atlas" in ended.stdout
    assert "https://www.kaggle.com/competitions/tiny-atlas/submissions" in ended.stdout


def test_the_printed_line_works_by_hand(project: Path, submission: Path, server: KaggleServer) -> None:
    kept = submission.rename(project / "it's mine.csv")
    environment = server.environment(project)
    ended = submit(project, environment, "--competition", "tiny", "--file", str(kept), "--message", "it's $HOME & more")
    line = next(line for line in ended.stdout.splitlines() if " competitions submit " in line)
    assert shlex.split(line)[1:] == ["competitions", "submit", "-c", "tiny-atlas", "-f", str(kept), "-m", "it's $HOME & more"]
    by_hand = subprocess.run(line, shell=True, cwd=project, env=environment, capture_output=True, text=True)
    assert by_hand.returncode == 0, by_hand.stderr
    assert server.uploads == [kept.read_bytes()] * 2
    first, second = server.called("CreateSubmission")
    assert first == second


def test_the_client_on_path_is_printed_by_its_name(project: Path, submission: Path, server: KaggleServer) -> None:
    environment = server.environment(project)
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    ended = submit(project, environment)
    assert f"\nkaggle competitions submit -c tiny-atlas -f submissions/tiny/{submission.name} -m " in ended.stdout


def test_missing_credentials_say_how_to_get_them(project: Path, submission: Path, server: KaggleServer) -> None:
    line = refusal(submit(project, server.environment(project, credentials=False)))
    assert "https://www.kaggle.com/settings/api" in line
    assert "kaggle auth login" in line
    assert server.requests == []


def test_refused_credentials_say_how_to_get_them(project: Path, submission: Path, server: KaggleServer) -> None:
    server.routes["StartSubmissionUpload"] = lambda body: (401, {"code": 401, "message": "Unauthenticated"})
    assert "https://www.kaggle.com/settings/api" in refusal(submit(project, server.environment(project)))


@pytest.mark.parametrize(
    ("call", "status", "words", "hint"),
    [
        ("StartSubmissionUpload", 403, "You must accept this competition's rules", RULES),
        ("CreateSubmission", 403, "You must accept this competition's rules", RULES),
        ("StartSubmissionUpload", 403, "Permission 'competitions.participate' was denied", RULES),
        (
            "CreateSubmission",
            400,
            "Submission limit reached",
            "see the limits at https://www.kaggle.com/competitions/tiny-atlas/submissions",
        ),
        ("StartSubmissionUpload", 404, "Competition not found", "check `slug: tiny-atlas` in configs/competitions/tiny.yaml"),
    ],
)
def test_a_refusal_repeats_the_reason_and_says_what_to_do(
    project: Path, submission: Path, server: KaggleServer, call: str, status: int, words: str, hint: str
) -> None:
    server.routes[call] = lambda body: (status, {"code": status, "message": words})
    line = refusal(submit(project, server.environment(project)))
    assert f"{submission.name} was not submitted ({words})" in line
    assert hint in line


@pytest.mark.parametrize("reply", [(200, 10), (500, 0)], ids=["reply-cut-short", "storage-fails"])
def test_a_failed_upload_is_a_failure_although_the_client_returns_0(
    project: Path, submission: Path, server: KaggleServer, reply: tuple[int, int]
) -> None:
    server.upload_reply = reply
    environment = server.environment(project)
    ended = submit(project, environment)
    assert f"{submission.name} was not submitted: the upload failed" in refusal(ended)
    line = next(line for line in ended.stdout.splitlines() if " competitions submit " in line)
    by_hand = subprocess.run(line, shell=True, cwd=project, env=environment, capture_output=True)
    assert by_hand.returncode == 0  # why the text is read as well
    assert server.called("CreateSubmission") == []


def test_a_connection_cut_once_during_the_upload_is_tried_again(project: Path, server: KaggleServer) -> None:
    ids = [f"image-{number}" for number in range(40_000)]
    (project / "data" / "tiny" / "sample_submission.csv").write_text("Id,Predicted\n" + "".join(f"{image_id},0\n" for image_id in ids))
    stem = project / "submissions" / "tiny" / "stack"
    path = write_submission(stem, dict.fromkeys(ids, "0 1"), load_competition("tiny", project), SIDECAR)
    server.cut_uploads = 1
    ended = submit(project, server.environment(project))
    assert ended.returncode == 0, ended.stderr
    assert server.cut_uploads == 0
    assert server.uploads == [path.read_bytes()]


@pytest.mark.parametrize("words", ["Queued for review", "Not Successfully submitted to tiny-atlas", "Successfully submitted"])
def test_words_that_promise_nothing_are_not_success(project: Path, submission: Path, server: KaggleServer, words: str) -> None:
    server.routes["CreateSubmission"] = lambda body: (200, {"message": words, "ref": 1})
    line = refusal(submit(project, server.environment(project)))
    assert "did not say" in line
    assert words in line


@pytest.mark.parametrize("reply", ["Successfully submitted to Atlas cellulaire illustré", "Successfully submitted to 人類蛋白質圖譜"])
def test_a_reply_with_an_accent_is_success_in_an_ascii_locale(project: Path, submission: Path, server: KaggleServer, reply: str) -> None:
    server.routes["CreateSubmission"] = lambda body: (200, {"message": reply, "ref": 1})
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    ended = submit(project, server.environment(project) | ascii_only)
    assert ended.returncode == 0, ended.stderr
    assert "Successfully submitted to " in ended.stdout


def test_after_the_clients_own_traceback_it_is_unknown_whether_it_was_taken(project: Path, submission: Path, server: KaggleServer) -> None:
    server.routes["CreateSubmission"] = lambda body: (200, 5)  # type: ignore[arg-type, return-value]
    line = refusal(submit(project, server.environment(project)))
    assert "it is unknown whether Kaggle took" in line
    assert "look at https://www.kaggle.com/competitions/tiny-atlas/submissions before trying again" in line
    assert len(server.called("CreateSubmission")) == 1


def test_a_connection_that_breaks_after_it_was_sent_is_unknown(project: Path, submission: Path, server: KaggleServer) -> None:
    def broken(body: object) -> tuple[int, dict[str, object]]:
        raise ConnectionAbortedError

    server.routes["CreateSubmission"] = broken
    line = refusal(submit(project, server.environment(project)))
    assert "it is unknown whether Kaggle took" in line


@pytest.mark.parametrize("message", ["-baseline", "--help", "-m=x", "=", "- "])
def test_a_message_may_begin_with_a_dash(project: Path, submission: Path, server: KaggleServer, message: str) -> None:
    ended = submit(project, server.environment(project), "--competition", "tiny", f"--message={message}")
    assert ended.returncode == 0, ended.stderr
    assert [call["submissionDescription"] for call in server.called("CreateSubmission")] == [message]


def test_an_edited_submission_is_not_sent_and_its_copy_is(project: Path, submission: Path, server: KaggleServer) -> None:
    submission.write_text("Id,Predicted\na,0\nb,1\nc,1\n")
    line = refusal(submit(project, server.environment(project)))
    assert f"submissions/tiny/{submission.name} was edited after it was made" in line
    assert server.requests == []
    command = re.search(r"(cp .*), then (FILE=mine.csv)", line)
    assert command is not None
    subprocess.run(command[1], shell=True, cwd=project, check=True)
    ended = submit(project, server.environment(project), "--competition", "tiny", "--file", "mine.csv")
    assert ended.returncode == 0, ended.stderr
    assert server.uploads == [submission.read_bytes()]


def test_an_unreachable_kaggle_is_one_line(project: Path, submission: Path, server: KaggleServer) -> None:
    environment = server.environment(project) | {"http_proxy": "http://127.0.0.1:9"}  # the discard port: nobody listens
    line = refusal(submit(project, environment))
    assert f"{submission.name} was not submitted" in line
    assert "check the network" in line


def test_ids_that_do_not_match_are_refused_before_anything_is_sent(project: Path, submission: Path, server: KaggleServer) -> None:
    submission.write_text("Id,Predicted\na,0\nb,1\n")
    line = refusal(submit(project, server.environment(project)))
    assert f"submissions/tiny/{submission.name} lacks 1 of the 3 ids of sample_submission.csv, e.g. c" in line
    assert "make stack COMP=tiny" in line
    assert server.requests == []


def test_nothing_to_submit_names_the_command_that_makes_it(project: Path, server: KaggleServer) -> None:
    line = refusal(submit(project, server.environment(project)))
    assert "there is no submission in submissions/tiny: make one with: make stack COMP=tiny" in line


def test_a_competition_off_kaggle_is_scored_instead(project: Path, server: KaggleServer) -> None:
    line = refusal(submit(project, server.environment(project), "--competition", "offline"))
    assert line.endswith("score it with: make score COMP=offline LABELS=table.csv\n")
    with (project / "configs/competitions/offline.yaml").open("a") as yaml:
        yaml.write("practice: {seed: 1}\n")
    line = refusal(submit(project, server.environment(project), "--competition", "offline"))
    assert line.endswith("score it with: make score COMP=offline\n")


def test_help_loads_no_framework() -> None:
    code = "import sys, pipelines.submit, pipelines.score; print({'torch', 'tensorflow', 'timm', 'sklearn'} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert ended.stdout == "set()\n"
