"""The kernels: one folder each, every language side by side.

A folder `name/` defines `KERNEL` in its `__init__.py` and supplies the kernel's functions in
`name_numpy.py` (the reference, required), `name_numba.py`, `name_numba_cuda.py` (GPUs), `name.jl`,
`name.okl`.
"""
