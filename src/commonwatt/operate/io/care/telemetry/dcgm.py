r"""DCGM: what `dcgmi dmon` prints, fields by number or short name.

A head line begins with `#Entity` (or `# Entity`) and names the fields in short; rows
begin with `GPU 0` or `0`. Where the caller asked by number (`-e 230,310`), the numbers
give the names.

Source: NVIDIA, "DCGM field identifiers" and `dcgmi dmon --list`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from commonwatt.core.messages import Message
from commonwatt.operate.domain.care.errors import TelemetryError
from commonwatt.operate.domain.care.findings import TelemetrySample

FIELDS: Final = {
    100: ("DCGM_FI_DEV_SM_CLOCK", "SMCLK"),
    140: ("DCGM_FI_DEV_MEMORY_TEMP", "MMTMP"),
    150: ("DCGM_FI_DEV_GPU_TEMP", "TMPTR"),
    155: ("DCGM_FI_DEV_POWER_USAGE", "POWER"),
    202: ("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "RPCTR"),
    203: ("DCGM_FI_DEV_GPU_UTIL", "GPUTL"),
    230: ("DCGM_FI_DEV_XID_ERRORS", "XIDER"),
    310: ("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", "ESVTL"),
    311: ("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "EDVTL"),
    393: ("DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", "URMPS"),
    394: ("DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", "CRMPS"),
    395: ("DCGM_FI_DEV_ROW_REMAP_FAILURE", "RRF"),
}
"""Number of a field → its name and the short name in the head line."""
_BY_SHORT: Final = {short: name for name, short in FIELDS.values()}
_MISSING: Final = frozenset({"N/A", "-", "nan"})


def parse_dcgm_dmon_samples(
    text: str, *, node: str, at_s: float, step_s: float = 1.0, fields: Sequence[int] = ()
) -> list[TelemetrySample]:
    r"""Return the samples in what `dcgmi dmon` printed.

    Args:
        text: What it printed.
        node: On which node.
        at_s: When it printed its first row [s since 1970].
        step_s: Time between two rows of one GPU [s].
        fields: Numbers of the fields, where the head line does not name them.

    Raises:
        TelemetryError: A row has more or fewer values than fields; its line is named.

    >>> page = "#Entity   TMPTR  XIDER\nGPU 0     41     79\n"
    >>> [(s.device, s.signal, s.value) for s in parse_dcgm_dmon_samples(page, node="n1", at_s=0.0)]
    [('0', 'DCGM_FI_DEV_GPU_TEMP', 41.0), ('0', 'DCGM_FI_DEV_XID_ERRORS', 79.0)]
    """
    names = [FIELDS[number][0] for number in fields if number in FIELDS]
    return list(_dmon_row_samples(text, names, node, at_s, step_s))


def _dmon_row_samples(
    text: str, names: list[str], node: str, at_s: float, step_s: float
) -> Iterator[TelemetrySample]:
    rows_of_device: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if _is_dcgm_telemetry_head(words):
            names = names or [_BY_SHORT.get(word, word) for word in _dcgm_header_fields(words)]
        elif words and words[0] != "ID":
            device, values = _dmon_device_and_readings(words)
            if len(values) != len(names):
                raise TelemetryError(
                    f"line {number:,}",
                    found=str(len(values)),
                    wanted=Message("{count} values", {"count": str(len(names))}),
                )
            stamp = at_s + step_s * rows_of_device.get(device, 0)
            rows_of_device[device] = rows_of_device.get(device, 0) + 1
            yield from _dmon_reading_samples(values, names, device, node, stamp, number)


def _is_dcgm_telemetry_head(words: list[str]) -> bool:
    return bool(words) and words[0].startswith("#")


def _dcgm_header_fields(words: list[str]) -> list[str]:
    return [word for word in words if word.lstrip("#") not in ("", "Entity")]


def _dmon_device_and_readings(words: list[str]) -> tuple[str, list[str]]:
    if words[0].isdigit():
        return words[0], words[1:]
    return words[1] if words[0] == "GPU" else " ".join(words[:2]), words[2:]


def _dmon_reading_samples(
    values: list[str], names: list[str], device: str, node: str, at_s: float, line: int
) -> Iterator[TelemetrySample]:
    for name, text in zip(names, values, strict=True):
        if text in _MISSING:
            continue
        try:
            yield TelemetrySample(at_s, node, name, float(text), device)
        except ValueError:
            raise TelemetryError(
                f"line {line:,}, {name}", wanted=Message("a number or N/A")
            ) from None
