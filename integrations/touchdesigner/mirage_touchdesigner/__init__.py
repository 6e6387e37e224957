"""What the component does outside TouchDesigner's main thread; it is part of the library that the component carries.

It is no DAT: TouchDesigner makes a DAT's module anew whenever its text changes, under the feet of threads in it.
"""

from mirage_touchdesigner.report import Status
from mirage_touchdesigner.values import from_protocol, to_protocol
from mirage_touchdesigner.worker import Settings, Worker

__all__ = ["Settings", "Status", "Worker", "from_protocol", "to_protocol"]
