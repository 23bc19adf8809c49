"""The segmenter that is part of this package."""

from pathlib import Path

PACKAGED = Path(__file__).with_name("segmenter.safetensors")
AGAIN = "restore it from the repository"
