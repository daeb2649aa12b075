"""Sites: what a cluster has, and how it wants to be asked, each figure with its source."""
