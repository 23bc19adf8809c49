"""The commands: one thin module a Make target. Library code lives in `comp/`."""

import sys

if sys.argv[:1] == ["-m"]:
    try:
        import signal

        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # until `command.run` begins: Ctrl-C ends imports without a traceback
    except KeyboardInterrupt:
        raise SystemExit(130) from None

    from comp.base.command_line import explain_missing_packages  # after the signal

    explain_missing_packages()
