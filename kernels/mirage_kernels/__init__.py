"""Per-pixel and per-latent operations: one readable reference each, fast versions beside it.

Nothing here imports another package of Mirage.
"""
