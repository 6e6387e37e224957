"""Shared Mem TOPs: frames straight out of TouchDesigner's shared memory, and results straight into it.

`header.py` and `pixels.py` are bytes and pictures, `segments.py` finds the memory (`files.py`, `windows.py`),
`inlet.py` and `reading.py` read, `outlet.py` writes, `link.py` makes a stream's source or viewer of them.
"""
