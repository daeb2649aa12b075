"""The process that asks: it plans cases, starts workers, and keeps their records."""
