"""What is kept: the record of a case, its identity, and the file it is in."""
