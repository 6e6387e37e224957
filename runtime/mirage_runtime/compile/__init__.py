"""From a model's weights to what a graphics card runs: exported, compared with torch, built, and kept.

`compile_model` is the whole way; what computes is imported when it is used.
"""
