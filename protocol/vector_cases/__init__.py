"""The cases that `generate_vectors.py` writes: what is sent, and what it must be taken for, by hand."""
