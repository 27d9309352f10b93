"""One word for one thing, in English and in Traditional Chinese.

A reader who meets two words looks for two things. Each term of the field stands here once
with the word that every message, template and page uses for it, and with the words that
were in use beside it and are not any more; the suite holds all texts to this table.
Hong Kong's usage goes first, because its public accounts and its hospitals are the first
that this program was written for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Term:
    """One thing of the field and its word in each language.

    Args:
        english: The word; its plural follows by itself.
        chinese: The word in Traditional Chinese.
        rejected: Chinese words that would mean the same and are not used.
        meaning: What it is, in a sentence.
        rejected_english: English words that would mean the same and are not used.
        strict: Whether each English sentence with the word must have the Chinese one; not
            where the English word has other senses, too.
    """

    english: str
    chinese: str
    rejected: tuple[str, ...]
    meaning: str
    rejected_english: tuple[str, ...] = ()
    strict: bool = True


TERMS: Final = (
    Term("fleet", "機群", ("機隊",), "All machines of a programme."),
    Term("cluster", "叢集", ("集群",), "Machines that one controller drives.", strict=False),
    Term("site", "站點", ("場地", "站址"), "A data centre.", strict=False),
    Term(
        "institution",
        "機構",
        ("院點",),
        "A hospital, a university: who answers for patients or staff.",
        strict=False,
    ),
    Term("node", "節點", (), "One machine with its GPUs."),
    Term("job", "任務", ("作業",), "What a tenant submits to run.", strict=False),
    Term(
        "queue delay",
        "輪候時間",
        ("排隊延遲", "等候時間", "等待時間", "排隊時間"),
        "First start minus submission.",
        ("waiting time", "wait time"),
    ),
    Term("latency", "時延", ("延時",), "Round trip between two places.", strict=False),
    Term("utilisation", "使用率", ("利用率",), "Allocated over available GPU time."),
    Term("GPU-hour", "GPU 小時", ("GPU小時",), "One GPU held for one hour."),
    Term("tenant", "租戶", (), "Who submits, and whom the quota is for."),
    Term("quota", "配額", (), "What a tenant may count on."),
    Term("preemption", "搶佔", ("搶先",), "To take a running job's GPUs for another."),
    Term("backfill", "回填", ("補位",), "To start a later job that delays nobody.", strict=False),
    Term("levelised cost", "平準化成本", ("均化成本", "均攤成本"), "Lifetime cost over use."),
    Term("ledger", "帳冊", ("帳本", "分類帳", "賬本"), "The record that nobody rewrites."),
    Term("run", "運行", (), "One computation kept in the store.", strict=False),
    Term(
        "data project",
        "資料項目",
        ("資料室", "資料房", "房間"),
        "Data that are usable and not visible, for one purpose.",
        ("data room",),
    ),
    Term(
        "synthetic data",
        "合成資料",
        ("分身", "孿生", "替身"),
        "Tables of the same shape in which nobody stands.",
        ("twin",),
        strict=False,
    ),
    Term("isolation", "隔離", ("籠",), "What a job on sensitive data runs in.", ("cage", "caged")),
    Term("custodian", "保管人", ("託管人",), "Who answers for the data."),
    Term("evidence", "證據", ("佐證",), "What was measured of a model.", strict=False),
    Term("surveillance", "監察", ("監測", "監控"), "Watching a model in use.", strict=False),
    Term("deployment", "部署", ("上線",), "A version in use at one place."),
    Term("console", "主控台", ("控制台",), "The program in the browser.", strict=False),
)
