"""A kernel in place: set up, stepped, solved, and held against what is right."""
