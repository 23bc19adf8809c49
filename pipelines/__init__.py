"""The commands: one thin module a Make target. Library code lives in `comp/`."""

import signal
import sys

if sys.argv[:1] == ["-m"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until `command.run` begins: Ctrl-C while a command imports ends it without a traceback
