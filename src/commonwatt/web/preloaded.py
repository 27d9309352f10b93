"""What every worker of the console needs, loaded once in the process that workers are forked from.

Nothing is opened here, and nothing that starts threads of its own is loaded, such as Polars: a
fork would have the locks of such threads, and not the threads that release them.
"""

from __future__ import annotations

from commonwatt.web.app import from_environment
from commonwatt.web.cache import console_drawing_digest
from commonwatt.web.render import compile_console_templates

__all__ = ["from_environment"]  # what a worker begins with

compile_console_templates()
console_drawing_digest()
