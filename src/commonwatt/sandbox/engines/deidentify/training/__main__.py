"""Train the tagger's weights anew from the templates and lists in the package.

Run: python -m commonwatt.sandbox.engines.deidentify.training
     [--documents N] [--rounds N] [--out FILE]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from commonwatt.core.seeds import stream
from commonwatt.sandbox.engines.deidentify.lists import weights_file
from commonwatt.sandbox.engines.deidentify.names import find_chinese_names
from commonwatt.sandbox.engines.deidentify.patterns import find_patterns
from commonwatt.sandbox.engines.deidentify.tagger import TaggerWeights, save_weights
from commonwatt.sandbox.engines.deidentify.tokens import tokenise
from commonwatt.sandbox.engines.deidentify.training.corpus import documents
from commonwatt.sandbox.engines.deidentify.training.learn import (
    learn_weights,
    right_tags,
    training_arrays,
)

_SEED = 20261123
_UNLISTED_SHARE = 0.25


def train(count: int, rounds: int) -> TaggerWeights:
    """Return weights learned from `count` documents read `rounds` times."""
    unlisted = stream(_SEED, "unlisted").random(count) < _UNLISTED_SHARE
    read = [
        (tokens := tokenise(
            one.text,
            find_patterns(one.text),
            () if unlisted[i] else find_chinese_names(one.text),
            unlisted=bool(unlisted[i]),
        ),
         right_tags(tokens, one.findings))
        for i, one in enumerate(documents(count, _SEED, held_out=False))
    ]  # fmt: skip
    return learn_weights(training_arrays(read), rounds=rounds, seed=_SEED)


def main() -> None:
    """Train and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=180_000)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--out", type=Path, default=weights_file())
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    save_weights(train(asked.documents, asked.rounds), asked.out)
    sys.stdout.write(f"{asked.out}: {asked.out.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()
