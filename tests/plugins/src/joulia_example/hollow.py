"""Found as a bridge, and none."""
