"""What joulia promises of its own kernels; one that is not here may lack any language but NumPy."""

COMPLETE = ("equation_of_state", "euler", "heat", "shallow_water", "stream", "tracer")
"""Kernels that exist in every language, on every device."""
