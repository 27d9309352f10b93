"""What every worker of the console needs, loaded once in the process that workers are forked from.

Nothing is opened here, and nothing that starts threads of its own is loaded, such as Polars: a
fork would have the locks of such threads, and not the threads that release them.
"""

from __future__ import annotations

import commonwatt.web.app  # noqa: F401  so that it is loaded
from commonwatt.web.cache import console_drawing_digest
from commonwatt.web.render import compile_console_templates

compile_console_templates()
console_drawing_digest()
