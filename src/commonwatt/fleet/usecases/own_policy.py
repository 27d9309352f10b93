"""A user's own queue policy: a class in a Python file, named `FILE.py:CLASS`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.fleet.engines.simulator.user_policy import UserPolicy

USER_POLICY_MARK = ".py:"


def is_user_scheduling_policy(order_option: str) -> bool:
    """Return whether `order_option` names a file rather than a built-in order.

    >>> is_user_scheduling_policy("policies/mine.py:LargestFirst"), is_user_scheduling_policy("sjf")
    (True, False)
    """
    return USER_POLICY_MARK in order_option


def load_user_scheduling_policy(order: str) -> UserPolicy:
    """Return the policy that `FILE.py:CLASS` names; the file is run as it is imported.

    Raises:
        UsageError: No such file or class, or the class has no `order`.
    """
    file, _, name = order.rpartition(":")
    member = getattr(_imported_user_policy_module(Path(file)), name, None)
    # An object is as good as a class, for a policy that was set up with its own numbers.
    policy = member() if isinstance(member, type) else member
    if not callable(getattr(policy, "order", None)):
        raise UsageError(
            "--order",
            found=order,
            wanted=Message("a class with order(waiting, now_s), as FILE.py:CLASS"),
        )
    return policy  # type: ignore[return-value]  # checked just above


def _imported_user_policy_module(path: Path) -> Any:
    if not path.is_file():
        raise UsageError("--order", found=str(path), wanted=Message("a Python file"))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UsageError("--order", found=str(path), wanted=Message("a Python file"))
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    # The file is its owner's program and may raise anything; none of it is a fault of ours. Its
    # words may quote what it read, so that only their kind is passed on.
    except Exception as error:
        actual = Message("{kind} while it was read", {"kind": type(error).__name__})
        wanted = Message("a Python file that can be imported")
        raise UsageError(str(path), found=actual, wanted=wanted) from error
    return module
