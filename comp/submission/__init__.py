"""Submissions: the checked CSV and its sidecar, scoring on known labels, label files, votes and overlays. No models."""
