"""What is here: the machine, GPUs, clocks, caches, and processes that leave nothing behind."""
