"""The other end of `WorkerProcess`, in .venv-peers: each line on stdin is a request in JSON; the answer is a line on stdout."""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any


def serve(work: Mapping[str, Callable[..., dict[str, Any]]]) -> None:
    """Answer all requests: {"do": a name in `work`, and the arguments of that function}."""
    answers, sys.stdout = sys.stdout, sys.stderr  # other output must not mix with the answers
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(work[request.pop("do")](**request)), file=answers, flush=True)
