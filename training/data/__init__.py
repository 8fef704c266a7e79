"""Data sets in, batches of face crops out."""
