"""The versions of this program and of what it computes with, for cards and manifests."""

import platform
import tomllib
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("tensorflow", "tf-keras", "numpy", "pillow", "openvino")
PROJECT = Path(__file__).parent.parent / "pyproject.toml"


def find_versions() -> dict[str, str]:
    """Name -> version, of what is installed now. Nothing of this project is, so its own comes from its checkout."""
    found = {"pawscore": tomllib.loads(PROJECT.read_text())["project"]["version"], "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except ImportError:
            found[package] = "not installed"
    return found
