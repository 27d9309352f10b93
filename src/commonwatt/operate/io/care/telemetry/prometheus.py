r"""Prometheus: the text that an exporter shows, and the answers of a server.

Source: Prometheus, "Exposition formats", text format 0.0.4, and "HTTP API", instant
queries; NVIDIA's dcgm-exporter names its metrics by DCGM field and its GPUs by `gpu`.
"""

from __future__ import annotations

import json
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from commonwatt.core.messages import Message
from commonwatt.operate.domain.care.errors import TelemetryError
from commonwatt.operate.domain.care.findings import TelemetrySample

NODE_LABELS: Final = ("Hostname", "hostname", "node", "nodename", "instance")
DEVICE_LABELS: Final = ("gpu", "device", "port", "chip")
_LINE: Final = re.compile(
    r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(?P<labels>.*)\})?\s+(?P<value>\S+)"
    r"(?:\s+(?P<at>-?\d+))?\s*"
)
_LABEL: Final = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_ESCAPED: Final = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
_MOST_BYTES: Final = 64 << 20


def parse_prometheus_exposition(text: str, *, at_s: float, node: str = "") -> list[TelemetrySample]:
    r"""Return the samples of an exporter's page.

    Args:
        text: The page.
        at_s: When it was read; a sample that says its own time keeps that [s since 1970].
        node: Whose page it is, where its labels do not say.

    Raises:
        TelemetryError: A line is not of the format; it is named.

    >>> page = '# TYPE link_up gauge\nlink_up{device="mlx5_0",node="n1"} 1\n'
    >>> parse_prometheus_exposition(page, at_s=0.0)
    [TelemetrySample(at_s=0.0, node='n1', signal='link_up', value=1.0, device='mlx5_0')]
    """
    return list(_prometheus_page_samples(text, at_s, node))


def scrape_prometheus_samples(
    url: str, *, at_s: float, node: str = "", timeout_s: float = 5.0
) -> list[TelemetrySample]:
    """Return the samples of the page at `url`, which must be http or https.

    Raises:
        TelemetryError: Nothing answers, or the page is not of the format.
    """
    return parse_prometheus_exposition(
        _fetch_exporter_page(url, timeout_s), at_s=at_s, node=node or _node_telemetry_url_host(url)
    )


def query_prometheus_samples(
    server: str, expression: str, *, timeout_s: float = 5.0
) -> list[TelemetrySample]:
    """Return the answer of a Prometheus server to an instant query.

    Raises:
        TelemetryError: Nothing answers, or the server refuses the expression.
    """
    arguments = urllib.parse.urlencode({"query": expression})
    url = f"{server.rstrip('/')}/api/v1/query?{arguments}"
    try:
        reply = json.loads(_fetch_exporter_page(url, timeout_s))
        return [_prometheus_vector_sample(vector_item) for vector_item in reply["data"]["result"]]
    except (KeyError, TypeError, ValueError) as error:
        raise TelemetryError(
            url, found=type(error).__name__, wanted=Message("a vector of the Prometheus API")
        ) from None


def _prometheus_page_samples(text: str, at_s: float, node: str) -> Iterator[TelemetrySample]:
    for line_number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            match = _LINE.fullmatch(stripped)
            number = _prometheus_number(match["value"]) if match else None
            if match is None or number is None:
                raise TelemetryError(
                    f"line {line_number:,}", wanted=Message("a metric, its labels and a number")
                )
            labels = _prometheus_labels(match["labels"] or "", line_number)
            stamp = int(match["at"]) / 1000 if match["at"] else at_s
            yield _prometheus_sample(match["name"], labels, number, stamp, node)


def _prometheus_labels(text: str, line: int) -> dict[str, str]:
    labels, at = dict[str, str](), 0
    while at < len(text) and text[at:].strip():
        match = _LABEL.match(text, at)
        if not match:
            raise TelemetryError(f"line {line:,}", wanted=Message('labels as name="value"'))
        labels[match[1]] = re.sub(r'\\[\\"n]', lambda m: _ESCAPED[m[0]], match[2])
        at = match.end()
    return labels


def _prometheus_number(text: str) -> float | None:
    try:
        return float(text.replace("Inf", "inf"))
    except ValueError:
        return None


def _prometheus_sample(
    name: str, labels: Mapping[str, str], value: float, at_s: float, node: str
) -> TelemetrySample:
    whose = next((labels[key] for key in NODE_LABELS if key in labels), node)
    device = next((labels[key] for key in DEVICE_LABELS if key in labels), "")
    return TelemetrySample(at_s, whose.split(":")[0], name, value, device)


def _prometheus_vector_sample(vector_item: Mapping[str, Any]) -> TelemetrySample:
    labels = cast("dict[str, str]", vector_item["metric"])
    at_s, text = vector_item["value"]
    number = _prometheus_number(str(text))
    if number is None:
        raise ValueError(text)
    return _prometheus_sample(labels.get("__name__", ""), labels, number, float(at_s), "")


def _node_telemetry_url_host(url: str) -> str:
    return urllib.parse.urlsplit(url).hostname or ""


def _fetch_exporter_page(url: str, timeout_s: float) -> str:
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise TelemetryError(url, wanted=Message("an address that begins with http or https"))
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as response:  # noqa: S310  checked above
            return response.read(_MOST_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TelemetryError(
            url, found=type(error).__name__, wanted=Message("a page of metrics that can be read")
        ) from None
