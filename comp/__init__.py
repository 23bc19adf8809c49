"""The library: one room a subject, from `base` at the bottom to `training`, `stacking` and `submission` at the top.

Commands live in `pipelines/`; nothing here reads the command line.
"""
