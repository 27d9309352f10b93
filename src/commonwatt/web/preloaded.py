"""What every worker of the console needs, loaded once in the process that workers are forked from.

Nothing is opened here, and nothing that starts threads of its own is loaded, such as Polars: a
fork would have the locks of such threads, and not the threads that release them.
"""

from __future__ import annotations

import gc
from importlib import import_module


def _import_console_program_before_workers() -> None:
    # What a worker would load only when it begins to answer.
    for name in ("commonwatt.web.event_loop", "commonwatt.web.workers", "uvicorn.server"):
        import_module(name)

    from commonwatt.web.app import console_routes
    from commonwatt.web.cache import console_source_and_translations_digest
    from commonwatt.web.render import compile_console_templates

    console_routes()
    compile_console_templates()
    console_source_and_translations_digest()


# What is loaded stays. Python's collector would go through all of it time and again while it
# grows, and in each worker afterwards: a tenth of a second each time, in which no page is
# answered and memory is written to that workers share as long as nobody does.
gc.disable()
_import_console_program_before_workers()
gc.freeze()
gc.enable()
