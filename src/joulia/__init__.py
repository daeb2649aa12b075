"""joulia: time and energy of simulation kernels through Python, Julia and OCCA, over MPI ranks."""

from joulia.version import __version__ as __version__


def __getattr__(name: str) -> object:
    # Lazy, so that `joulia --help` imports neither NumPy nor a runtime.
    if name in {"solve", "Solution"}:
        from joulia.simulation import solve

        return getattr(solve, name)
    if name in {"load", "run", "Results"}:
        from joulia import results

        return getattr(results, name)
    raise AttributeError(f"module 'joulia' has no attribute '{name}'")
