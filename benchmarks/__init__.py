"""The asv suite: what every kernel costs on every backend, over commits. Never installed."""
