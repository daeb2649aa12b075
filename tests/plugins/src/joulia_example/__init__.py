"""A tiny distribution of kernels and bridges for joulia, as a third party would write it."""
