"""joulia's version, as its installation tells."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("joulia")
except PackageNotFoundError:  # a source tree on the path without an installation
    __version__ = "0+unknown"
