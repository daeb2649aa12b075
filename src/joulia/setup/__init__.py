"""Before anything is measured: what is here, what is built, whether the meters behave."""
