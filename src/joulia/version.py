"""joulia's version, as its installation tells."""

from __future__ import annotations


def version() -> str:
    """Read when it is asked for: every process of a case would pay for it at its start."""
    from importlib import metadata

    try:
        return metadata.version("joulia")
    except metadata.PackageNotFoundError:  # a source tree on the path without an installation
        return "0+unknown"
