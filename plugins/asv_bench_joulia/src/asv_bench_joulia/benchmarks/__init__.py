"""The modules that asv imports for their `export_as_benchmark`."""
