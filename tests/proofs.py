"""How large a proof is, and how often it reached its point.

A law that Hypothesis draws in vain is no law: `reached` counts the examples that came to
the assertion, and `check_share_reached` fails where too few did.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Proofs:
    """The size of the proofs of this run."""

    full: bool = False

    def size(self, small: int, full: int) -> int:
        """Return `small` in the suite and `full` under `make prove`."""
        return full if self.full else small


PROOFS = Proofs()


@dataclass
class ReachedExamples:
    """Examples drawn, and those that reached the assertion."""

    drawn: int = 0
    reached: int = 0

    @property
    def share(self) -> float:
        """Return the share that reached it."""
        return self.reached / self.drawn if self.drawn else 0.0


@contextmanager
def most_examples_reach(share: float) -> Iterator[ReachedExamples]:
    """Fail if fewer than `share` of the examples that were drawn inside reached the assertion.

    The law adds one to `drawn` where it begins, and one to `reached` where it asserts.
    """
    examples = ReachedExamples()
    yield examples
    assert examples.drawn, "The law drew no example at all."
    assert examples.share >= share, (
        f"Only {examples.reached} of {examples.drawn} examples reached the assertion."
    )
