"""Train the tagger's weights anew from the templates and lists in the package.

Run: python -m commonwatt.sandbox.engines.deidentify.training
     [--documents N] [--rounds N] [--out FILE]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from commonwatt.core.seeds import named_random_stream
from commonwatt.sandbox.engines.deidentify.lists import deidentification_tagger_weights_file
from commonwatt.sandbox.engines.deidentify.names import find_chinese_name_spans
from commonwatt.sandbox.engines.deidentify.patterns import find_patterned_identifiers
from commonwatt.sandbox.engines.deidentify.tagger import (
    TaggerWeights,
    save_deidentification_tagger_weights,
)
from commonwatt.sandbox.engines.deidentify.tokens import tokenise
from commonwatt.sandbox.engines.deidentify.training.corpus import tagger_training_documents
from commonwatt.sandbox.engines.deidentify.training.learn import (
    learn_tagger_weights,
    tagger_training_arrays,
    true_identifier_tags,
)

_SEED = 20261123
_UNLISTED_SHARE = 0.25


def trained_deidentification_tagger_weights(count: int, rounds: int) -> TaggerWeights:
    """Return weights learned from `count` documents read `rounds` times."""
    # A quarter of the texts is read as if every name were new.
    unlisted = named_random_stream(_SEED, "unlisted").random(count) < _UNLISTED_SHARE
    read = [
        (tokens := tokenise(
            document.text,
            find_patterned_identifiers(document.text),
            () if unlisted[i] else find_chinese_name_spans(document.text),
            unlisted=bool(unlisted[i]),
        ),
         true_identifier_tags(tokens, document.findings))
        for i, document in enumerate(tagger_training_documents(count, _SEED, held_out=False))
    ]  # fmt: skip
    return learn_tagger_weights(tagger_training_arrays(read), rounds=rounds, seed=_SEED)


def train_and_save_deidentification_tagger() -> None:
    """Train and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=180_000)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--out", type=Path, default=deidentification_tagger_weights_file())
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    save_deidentification_tagger_weights(
        trained_deidentification_tagger_weights(arguments.documents, arguments.rounds),
        arguments.out,
    )
    sys.stdout.write(f"{arguments.out}: {arguments.out.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    train_and_save_deidentification_tagger()
