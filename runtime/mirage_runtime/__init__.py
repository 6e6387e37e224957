"""The Mirage daemon and what it is made of: transports, streams, the worker, the pipeline, models and engines.

`mirage` (the command) is in `mirage_runtime.cli`; programs that want frames transformed import `mirage` instead.
"""

from importlib.metadata import version

__version__ = version("mirage-lsd")
