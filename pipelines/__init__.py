"""The commands: one thin module a Make target. Library code lives in `comp/`."""
