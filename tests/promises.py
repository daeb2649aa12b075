"""What joulia promises of its own kernels; one that is not here may lack any language but NumPy."""

COMPLETE = (
    "boussinesq", "column", "emulator", "equation_of_state", "euler", "heat", "poisson",
    "shallow_water", "stream", "tracer",
)  # fmt: skip
"""Kernels that exist in every language, on every device, and are held to what stands in for one."""

WHOLE: tuple[str, ...] = (
    "numba/plain", "julia/plain", "julia/ka", "occa:serial/plain", "occa:openmp/plain",
)  # fmt: skip
"""Variants in which all of them exist."""

COMPILED = (
    "c++", "cupy:cuda", "fortran", "jax", "julia", "julia:cuda",
    "kokkos:openmp", "kokkos:cuda", "numba", "numba:cuda",
    "occa:serial", "occa:openmp", "occa:opencl", "occa:cuda",
)  # fmt: skip
"""Backends that compile: their cold starts do, and what they keep makes warm ones quick."""
