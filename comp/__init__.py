"""The library: one room a subject, from `base` at the bottom to `training`, `stacking` and `submission` at the top.

Commands live in `pipelines/`; nothing here reads the command line.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  # an older Python gets as far as here: this file and those before it are written so
    found = "error: " + sys.executable + " is Python " + sys.version.split()[0]
    sys.stderr.write(found + ", and 3.11 or newer is needed: choose another one, as in PYTHON=python3.11\n")
    sys.exit(2)
