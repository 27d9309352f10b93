"""`care.toml`: the bounds of care, who resets and tests, where telemetry comes from."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from commonwatt.core.messages import Message
from commonwatt.operate.domain.care.errors import CareSettingsError
from commonwatt.operate.domain.care.findings import Component
from commonwatt.operate.domain.care.lifecycle import CareStage
from commonwatt.operate.domain.care.policy import CarePolicy, check_care_policy
from commonwatt.operate.io.care.repairs import CommandNodeTester, NodeTester, NoNodeTester

Share = Annotated[float, Field(gt=0, le=1)]
Seconds = Annotated[float, Field(gt=0, le=3e7)]


class CareSettings(BaseModel):
    """Everything that a caretaker is told; every key has a default."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    most_out_share: Share = 0.05
    """Most nodes of a partition that may be out when care takes one more out."""
    alarm_share: Share = 0.1
    """Share of nodes with grave findings at once from which the findings are doubted."""
    watch_s: Seconds = 3600.0
    blind_s: Seconds = 900.0
    reboot_s: Seconds = 900.0
    test_s: Seconds = 1800.0
    drain_s: Seconds = 86_400.0
    probation_s: Seconds = 86_400.0
    returns: Annotated[int, Field(ge=0, le=10)] = 1
    ask: tuple[str, ...] = ()
    """Moves that a person approves, as `component:stage`, such as `memory:reboot`."""
    lemons: tuple[str, ...] = ()
    """Nodes that are not returned to service without a person."""
    reset: str | None = None
    """Command that resets a node's devices; `{node}` is the node."""
    test: str | None = None
    """Command that returns 0 if a node is sound; `{node}` is the node."""
    scrape: tuple[str, ...] = ()
    """Pages of metrics that are read at each look."""
    every_s: Seconds = 15.0
    """Time between two observations."""

    def care_policy(self) -> CarePolicy:
        """Return the bounds.

        Raises:
            CareSettingsError: A move that is to be approved is unknown.
        """
        names = ("most_out_share", "alarm_share", "watch_s", "blind_s", "reboot_s", "test_s",
                 "drain_s", "probation_s", "returns")  # fmt: skip
        bounds = {name: getattr(self, name) for name in names}
        to_approve = frozenset(_care_move_to_approve(text) for text in self.ask)
        policy = replace(CarePolicy(**bounds), to_approve=to_approve, lemons=frozenset(self.lemons))
        check_care_policy(policy)
        return policy

    def node_tester(self) -> NodeTester:
        """Return who resets and tests: the commands, or nobody."""
        if self.test is None:
            return NoNodeTester()
        return CommandNodeTester(reset=self.reset or "true", test=self.test)


def load_care_settings(path: Path) -> CareSettings:
    """Return the settings in a TOML file; the defaults where there is none.

    Raises:
        CareSettingsError: It cannot be read, or a value cannot be; the place is named.
    """
    if not path.exists():
        return CareSettings()
    try:
        return CareSettings.model_validate(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CareSettingsError(
            str(path), found=type(error).__name__, wanted=Message("a TOML file")
        ) from None
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise CareSettingsError(f"{path}, {place}", found=fault["msg"]) from None


def _care_move_to_approve(text: str) -> tuple[Component, CareStage]:
    component, _, stage = text.partition(":")
    try:
        return Component(component), CareStage(stage)
    except ValueError:
        raise CareSettingsError(
            "ask", found=repr(text), wanted=Message("component:stage, such as memory:reboot")
        ) from None
