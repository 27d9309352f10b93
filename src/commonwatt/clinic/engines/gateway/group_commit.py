"""Requests that wait together for one commit.

A commit that survives a power cut costs one flush of the disk, whatever it holds.
While one group is being flushed the next gathers, so that a single caller waits
for one flush and a hundred callers wait for about two, not for a hundred.
Nobody is answered before the flush of their own group has returned.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")


class GroupCommitter(Generic[A, B]):
    """One thread that settles whatever has gathered since it last came back.

    Args:
        settle: Returns one answer for each question, in order; called in the thread.
    """

    def __init__(self, settle: Callable[[list[A]], list[B]]) -> None:
        self._settle = settle
        # One thread: the ledger has one head, and two writers would only wait for each other's
        # lock.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="commit")
        self._waiting: list[tuple[A, asyncio.Future[B]]] = []
        self._draining: asyncio.Task[None] | None = None

    async def submit_advice_question(self, question: A) -> B:
        """Return the answer to one question once it is on the disk."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[B] = loop.create_future()
        self._waiting.append((question, answer))
        if self._draining is None or self._draining.done():
            self._draining = loop.create_task(self._settle_advice_questions())
        return await answer

    async def run_between_advice_groups(self, task: Callable[[], T]) -> T:
        """Return what `task` does in the same thread, between two groups."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, task)

    async def _settle_advice_questions(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            questions = [question for question, _ in group]
            try:
                answers = await self.run_between_advice_groups(partial(self._settle, questions))
            # Whatever went wrong belongs to those who wait for this group; a thread that died
            # silently would leave them waiting for ever.
            except BaseException as error:
                _fail_advice_questions(group, error)
                continue
            for (_, answer), outcome in zip(group, answers, strict=True):
                if not answer.done():  # whoever asked may have gone away
                    answer.set_result(outcome)


def _fail_advice_questions(group: list[tuple[A, asyncio.Future[B]]], error: BaseException) -> None:
    for _, answer in group:
        if not answer.done():
            answer.set_exception(error)
