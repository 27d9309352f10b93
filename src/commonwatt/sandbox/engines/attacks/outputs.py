"""Outputs of a red team, and honest ones, to measure the airlock by.

Each hostile output carries something about single people past a tired eye;
each honest one is what a study would release. Both are made from a seed.
"""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from commonwatt.core.seeds import named_random_stream
from commonwatt.sandbox.domain.job import OutputKind

_PERSON = "CHAN Tai Man"
_HKID = "A123456(3)"


@dataclass(frozen=True, slots=True)
class OfferedOutput:
    """Bytes offered to the airlock, with what they are."""

    name: str
    kind: OutputKind
    data: bytes


def hostile_airlock_outputs() -> Iterator[OfferedOutput]:
    """Yield the red team's outputs."""
    yield from _hostile_table_outputs()
    yield from _hostile_json_outputs()
    yield from _hostile_text_outputs()
    yield from _hostile_picture_outputs()


def honest_airlock_outputs(count: int = 100) -> Iterator[OfferedOutput]:
    """Yield results as a careful study would release them."""
    makers: tuple[Callable[[np.random.Generator], OfferedOutput], ...] = (
        _honest_counts_by_age,
        _honest_two_way_counts,
        _honest_coefficient_table,
        _honest_means_by_arm,
        _honest_survival_curve,
        _honest_model_metrics,
        _honest_prose,
        _honest_bar_chart,
        _honest_line_chart,
        _honest_cost_totals,
    )
    for number in range(count):
        # A stream of its own for each output: adding one maker changes no other.
        chance = named_random_stream(number, "honest")
        offered = makers[number % len(makers)](chance)
        yield OfferedOutput(f"{offered.name} {number}", offered.kind, offered.data)


def _offered_csv_output(name: str, *lines: str) -> OfferedOutput:
    return OfferedOutput(name, OutputKind.CSV, ("\n".join(lines) + "\n").encode())


def _offered_json_output(name: str, value: object) -> OfferedOutput:
    return OfferedOutput(name, OutputKind.JSON, json.dumps(value, ensure_ascii=False).encode())


def _offered_text_output(name: str, text: str) -> OfferedOutput:
    return OfferedOutput(name, OutputKind.TEXT, text.encode())


def _hostile_table_outputs() -> Iterator[OfferedOutput]:
    yield _offered_csv_output("a count of one", "sex,n", "F,500", "M,1")
    yield _offered_csv_output("a count of seven", "sex,n", "F,500", "M,7")
    yield _offered_csv_output(
        "a small cell among many",
        "age,patients",
        *(f"{a},{100 if a != 40 else 3}" for a in range(20, 60)),
    )
    yield _offered_csv_output(
        "small cells in the second count", "area,n,deaths", "a,500,5", "b,400,2"
    )
    yield _offered_csv_output("a negative count", "sex,n", "F,-3", "M,500")
    yield _offered_csv_output("counts as decimals", "sex,n", "F,3.0", "M,500.0")
    yield _offered_csv_output("exact counts", "sex,n", "F,503", "M,498")
    yield _offered_csv_output(
        "exact counts beside round ones", "sex,n,cases", "F,500,101", "M,500,100"
    )
    yield _offered_csv_output("tokens", "patient_id,n", "x1,500", "x2,500")
    yield _offered_csv_output("names", "label,n", f"{_PERSON},500", "Mary Wong,500")
    yield _offered_csv_output("names in Chinese", "組別,n", "病人陳大文,500", "患者李美玲,500")
    yield _offered_csv_output("identity numbers", "group,n", f"{_HKID},500", "B234567(0),500")
    yield _offered_csv_output("mobile numbers", "group,n", "9123 4567,500", "6123 4567,500")
    yield _offered_csv_output("record numbers", "group,n", "HN84700040(Y),500")
    yield _offered_csv_output("mail addresses", "group,n", "taiman@example.hk,500")
    yield _offered_csv_output("an identity number in the header", f"{_HKID},n", "1,500")
    yield _offered_csv_output(
        "records without names", "age,sex,stay", *(f"{40 + i % 50},F,{i % 9}" for i in range(60))
    )
    yield _offered_csv_output(
        "records of laboratory values",
        "k,na,cr",
        *(f"{3 + i / 50},{130 + i},{60 + i}" for i in range(80)),
    )
    yield _offered_csv_output("a very long table", "cell,n", *(f"{i},500" for i in range(900)))
    yield _offered_csv_output("the largest value", "measure,max", "cost,918273")
    yield _offered_csv_output("the oldest person", "statistic,value", "oldest,107", "mean,61.2")
    yield _offered_csv_output("a total of one hospital", "area,cost_sum,n", "a,91827,500")
    yield _offered_csv_output(
        "a total that two people hold", "area,cost_sum,top2_share,n", "a,91827,0.97,500"
    )
    yield _offered_csv_output("a saturated model", "term,coef,df_resid", "x1,0.3,2", "x2,0.1,2")
    yield _offered_csv_output("ragged rows", "a,n", "x,500,hidden", "y,500")


def _hostile_json_outputs() -> Iterator[OfferedOutput]:
    yield _offered_json_output("a small count", {"cohort": {"n": 3}})
    yield _offered_json_output("a small count in a list", {"cells": [{"count": 500}, {"count": 2}]})
    yield _offered_json_output(
        "records", [{"age": 40 + i % 50, "hb": 9 + i % 7} for i in range(400)]
    )
    yield _offered_json_output("a name as a key", {"病人陳大文": 1.5})
    yield _offered_json_output("a name as a value", {"best": f"Dr {_PERSON}"})
    yield _offered_json_output("an identity number", {"note": _HKID})
    yield _offered_json_output(
        "a model of support vectors", {"support_vectors": [[61.0, 140.0]], "n": 500}
    )
    yield _offered_json_output("a model of neighbours", {"knn": {"fit_X": [[61.0, 140.0]], "k": 1}})
    yield _offered_json_output(
        "a forest with single people in its leaves", {"tree": {"n_samples": [500, 1]}}
    )
    yield _offered_json_output("the youngest person", {"age": {"min": 18, "mean": 55.1}})


def _hostile_text_outputs() -> Iterator[OfferedOutput]:
    rows = "\n".join(f"{40 + i % 50} {i % 2} {110 + i} {3 + i / 40}" for i in range(60))
    yield _offered_text_output("records as prose", f"Results\n{rows}\n")
    yield _offered_text_output("a name in prose", f"The patient {_PERSON} did best.")
    yield _offered_text_output("a Chinese name in prose", "病人陳大文女士的結果最好。")
    yield _offered_text_output("an identity number in prose", f"See {_HKID}.")
    yield _offered_text_output("a telephone number in prose", "Call 9123 4567 for the outlier.")
    yield _offered_text_output("a mail address in prose", "Ask taiman@example.hk.")
    yield _offered_text_output("records in base 64", base64.b64encode(rows.encode()).decode())
    yield _offered_text_output("records in hexadecimal", rows.encode().hex())
    yield _offered_text_output(
        "records between commas",
        "\n".join(f"{i},{i % 7},{i % 3},{i % 2},{i % 5}" for i in range(40)),
    )


def _hostile_picture_outputs() -> Iterator[OfferedOutput]:
    chance = named_random_stream(1, "hostile pictures")
    canvas = _empty_plot_pixels()
    yield OfferedOutput(
        "single points",
        OutputKind.PNG,
        _offered_png_bytes(_draw_points_into_picture(canvas.copy(), chance, 300)),
    )
    yield OfferedOutput(
        "a few dozen single points",
        OutputKind.PNG,
        _offered_png_bytes(_draw_points_into_picture(canvas.copy(), chance, 80)),
    )
    secret = np.unpackbits(np.frombuffer((_PERSON + _HKID).encode() * 400, np.uint8))
    yield OfferedOutput(
        "records in the lowest bit",
        OutputKind.PNG,
        _offered_png_bytes(_write_low_bits_into_picture(canvas.copy(), secret)),
    )
    # Hidden in a part only: an average over the whole picture would miss it.
    half = canvas.copy()
    half[:100] = _write_low_bits_into_picture(half[:100].copy(), secret[: half[:100].size])
    yield OfferedOutput(
        "records in a corner's lowest bit", OutputKind.PNG, _offered_png_bytes(half)
    )
    noise = chance.integers(0, 256, (120, 160, 3)).astype(np.uint8)
    yield OfferedOutput("records as colours", OutputKind.PNG, _offered_png_bytes(noise))
    yield OfferedOutput(
        "a scan of a page", OutputKind.PNG, _offered_png_bytes(_scanned_page_pixels(chance))
    )


def _empty_plot_pixels(height: int = 300, width: int = 400) -> npt.NDArray[np.uint8]:
    picture = np.full((height, width, 3), 255, np.uint8)
    picture[250:252, 60:380] = 0
    picture[20:252, 60:62] = 0
    return picture


def _draw_points_into_picture(
    picture: npt.NDArray[np.uint8], chance: np.random.Generator, points: int
) -> npt.NDArray[np.uint8]:
    for x, y in zip(
        chance.integers(70, 370, points), chance.integers(30, 240, points), strict=True
    ):
        picture[y : y + 4, x : x + 4] = (31, 119, 180)
    return picture


def _write_low_bits_into_picture(
    picture: npt.NDArray[np.uint8], bits: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    flat = picture.reshape(-1)
    hidden_bits = min(len(flat), len(bits))
    flat[:hidden_bits] = (flat[:hidden_bits] & 254) | bits[:hidden_bits]
    return picture


def _scanned_page_pixels(chance: np.random.Generator) -> npt.NDArray[np.uint8]:
    smooth = 200 + 20 * np.sin(np.linspace(0, 9, 300))[:, None] + chance.normal(0, 3, (300, 400))
    return np.repeat(np.clip(smooth, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def _offered_png_bytes(picture: npt.NDArray[np.uint8]) -> bytes:
    height, width, _ = picture.shape
    body = b"".join(b"\0" + row.tobytes() for row in picture)
    parts = [
        _offered_png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        _offered_png_chunk(b"IDAT", zlib.compress(body)),
        _offered_png_chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _offered_png_chunk(kind: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


def _honest_rounded_counts(chance: np.random.Generator, size: int) -> list[int]:
    # Multiples of five from twenty up, as a careful study releases them.
    return [int(value) * 5 for value in chance.integers(4, 400, size)]


def _honest_counts_by_age(chance: np.random.Generator) -> OfferedOutput:
    groups = ("18-39", "40-59", "60-79", "80+")
    return _offered_csv_output(
        "counts by age",
        "age_group,n",
        *(f"{g},{n}" for g, n in zip(groups, _honest_rounded_counts(chance, 4), strict=True)),
    )


def _honest_two_way_counts(chance: np.random.Generator) -> OfferedOutput:
    cells = [(a, d) for a in ("F", "M") for d in ("diabetes", "asthma", "none")]
    return _offered_csv_output(
        "sex by illness",
        "sex,illness,patients",
        *(
            f"{a},{d},{n}"
            for (a, d), n in zip(cells, _honest_rounded_counts(chance, 6), strict=True)
        ),
    )


def _honest_coefficient_table(chance: np.random.Generator) -> OfferedOutput:
    terms = ("const", "age", "bmi", "smoker", "systolic")
    rows = (f"{t},{chance.normal():.4f},{abs(chance.normal()) / 9:.4f},{495}" for t in terms)
    return _offered_csv_output("a model", "term,coef,std_err,df_resid", *rows)


def _honest_means_by_arm(chance: np.random.Generator) -> OfferedOutput:
    rows = (
        f"{g},{chance.normal(130, 9):.1f},{n}"
        for g, n in zip("ABCD", _honest_rounded_counts(chance, 4), strict=True)
    )
    return _offered_csv_output("means by arm", "arm,mean_systolic,n", *rows)


def _honest_survival_curve(chance: np.random.Generator) -> OfferedOutput:
    share = np.cumprod(1 - chance.uniform(0, 0.03, 20))
    at_risk = sorted(_honest_rounded_counts(chance, 20), reverse=True)
    rows = (f"{m},{s:.3f},{n}" for m, (s, n) in enumerate(zip(share, at_risk, strict=True)))
    return _offered_csv_output("survival", "month,survival,n", *rows)


def _honest_model_metrics(chance: np.random.Generator) -> OfferedOutput:
    auc = float(chance.uniform(0.6, 0.9))
    return _offered_json_output(
        "metrics", {"auc": round(auc, 3), "brier": 0.18, "n": _honest_rounded_counts(chance, 1)[0]}
    )


def _honest_prose(chance: np.random.Generator) -> OfferedOutput:
    share = float(chance.uniform(0.1, 0.5))
    return _offered_text_output(
        "prose",
        f"About {share:.0%} of patients with type 2 diabetes had a check in the year."
        " Hodgkin lymphoma and Parkinson's disease were rare.\n",
    )


def _honest_bar_chart(chance: np.random.Generator) -> OfferedOutput:
    picture = _empty_plot_pixels()
    for bar in range(6):
        left = 80 + 50 * bar
        picture[250 - int(chance.integers(20, 220)) : 250, left : left + 30] = (31, 119, 180)
    return OfferedOutput("bars", OutputKind.PNG, _offered_png_bytes(picture))


def _honest_line_chart(chance: np.random.Generator) -> OfferedOutput:
    picture = _empty_plot_pixels()
    heights = np.clip(140 + np.cumsum(chance.normal(0, 2, 310)), 30, 240).astype(int)
    for x, y in enumerate(heights):
        below = heights[max(0, x - 1)]
        picture[min(y, below) : max(y, below) + 3, 65 + x] = (214, 39, 40)
    return OfferedOutput("lines", OutputKind.PNG, _offered_png_bytes(picture))


def _honest_cost_totals(chance: np.random.Generator) -> OfferedOutput:
    rows = (
        f"{area},{int(chance.integers(10**5, 10**7))},{chance.uniform(0.02, 0.3):.2f},{n}"
        for area, n in zip(("east", "west"), _honest_rounded_counts(chance, 2), strict=True)
    )
    buffer = io.StringIO()
    buffer.write("area,cost_sum,top2_share,n\n" + "\n".join(rows) + "\n")
    return OfferedOutput("totals", OutputKind.CSV, buffer.getvalue().encode())
