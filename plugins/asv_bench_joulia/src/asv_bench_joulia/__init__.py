"""A benchmark type for asv: `def energy_foo(self): ...` gives joules a call."""
