"""`joulia submit`: a run through a queue, from its job's script to its records."""
