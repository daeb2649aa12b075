"""joulia: time and energy of simulation kernels through Python, Julia and OCCA, over MPI ranks."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("joulia")
except PackageNotFoundError:  # a source tree on the path without an installation
    __version__ = "0+unknown"


def __getattr__(name: str) -> object:
    # Lazy, so that `joulia --help` imports neither NumPy nor a runtime.
    if name in {"solve", "Solution"}:
        from joulia import api

        return getattr(api, name)
    if name in {"load", "run", "Results"}:
        from joulia.analysis import results

        return getattr(results, name)
    raise AttributeError(f"module 'joulia' has no attribute '{name}'")
