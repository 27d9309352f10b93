"""Keep standard output for answers: what a library prints there goes to standard error."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def library_output_to_stderr() -> Generator[None]:
    """Let whatever is written to standard output inside come out on standard error.

    Libraries print licences and banners there, from C and before any option can forbid it; in
    front of `--json` such a line makes the whole answer unreadable.
    """
    sys.stdout.flush()
    try:
        stdout = os.dup(1)
    except OSError:  # closed: there is nothing to keep clean
        yield
        return
    try:
        _redirect_file_descriptor_or_discard(2, 1)
        yield
    finally:
        # What stands in the buffers of C and of Python would come out after the descriptor is back.
        ctypes.CDLL(None).fflush(None)
        sys.stdout.flush()
        os.dup2(stdout, 1)
        os.close(stdout)


def _redirect_file_descriptor_or_discard(source: int, target: int) -> None:
    try:
        os.dup2(source, target)
    except OSError:  # standard error is closed
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, target)
        os.close(nowhere)
