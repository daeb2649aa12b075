"""The process that measures a case: nothing here is imported by the one that asked for it."""
