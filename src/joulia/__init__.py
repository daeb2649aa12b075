"""joulia: time and energy of simulation kernels through Python, Julia and OCCA, over MPI ranks.

PYTEST_DONT_REWRITE: pytest would warn of it where it is imported before its plug-in is.
"""

__version__: str


def __getattr__(name: str) -> object:
    # Lazy, so that `joulia --help` imports neither NumPy nor a runtime.
    if name == "__version__":
        from joulia.version import version

        return version()
    if name in {"solve", "Solution"}:
        from joulia.simulation import solve

        return getattr(solve, name)
    if name in {"load", "run", "Results"}:
        from joulia import results

        return getattr(results, name)
    raise AttributeError(f"module 'joulia' has no attribute '{name}'")
