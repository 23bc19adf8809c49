"""The process that trains one fold on a node of a cluster: `python -m comp.training.engines.fold_process`.

It reads a fold job as JSON from the first line of its input, and ends when its input ends: then the process that started it has ended. An
error is a line of its output, pickled; the exit code is 2 then.
"""

import base64
import json
import os
import pickle
import sys
import threading

from comp.training.fold_job import FoldJob
from comp.training.train_fold import train_fold

ERROR = "\0"  # begins the line with the pickled error
FAILED = 2


def main() -> None:
    job = FoldJob(**json.loads(sys.stdin.readline()))
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start()
    try:
        train_fold(job)
    except Exception as error:
        print(ERROR + base64.b64encode(pickle.dumps(error)).decode(), flush=True)
        os._exit(FAILED)  # at once: a thread reads from the input, which Python would wait for
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
