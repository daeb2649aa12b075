"""Ranks: who they are, their halos, their network, their GPUs, and what starts them."""
