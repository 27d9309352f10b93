"""Results that take longer than a page may: made outside the page, once, and kept a while.

The first debt path of a country loads a compiler and a library of statistics, which takes
seconds in a process that has never drawn one. A page asks for the result, waits a moment,
and says that it is under way if it is not there by then; whoever asks next for the same
result waits for the same thread.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock, Semaphore, Thread
from typing import Any, Final

from commonwatt.core.messages import Message
from commonwatt.web.errors import StillMadeError

_AT_ONCE: Final = 2
"""Results that are made at the same time; more would take the processors from the pages."""


class BackgroundResults:
    """The last few results by key, each made by a thread of its own.

    >>> results = BackgroundResults(4)
    >>> results.result("a", lambda: "made", None)
    'made'
    """

    def __init__(self, most: int) -> None:
        self._most, self._lock, self._turns = most, Lock(), Semaphore(_AT_ONCE)
        self._futures: OrderedDict[str, Future[Any]] = OrderedDict()

    def result(self, key: str, make: Callable[[], Any], patience_s: float | None) -> Any:
        """Return the result of `key`, begun now if nobody has asked for it.

        Args:
            key: Names all that the result is made of.
            make: Makes it; what it raises is raised here, and then tried again.
            patience_s: How long it is waited for [s]; None for as long as it takes.

        Raises:
            StillMadeError: It is not there yet.
        """
        future = self._existing_or_started_future(key, make)
        try:
            return future.result(patience_s)
        except TimeoutError:
            if future.done():  # it is the result itself that failed so
                raise
            raise StillMadeError(key, found=Message("a result that is still being made")) from None

    def _existing_or_started_future(self, key: str, make: Callable[[], Any]) -> Future[Any]:
        with self._lock:
            if key in self._futures:
                self._futures.move_to_end(key)
                return self._futures[key]
            future: Future[Any] = Future()
            self._futures[key] = future
            self._forget_oldest()
        # A daemon: a console that is stopped does not wait for what nobody will look at.
        thread = Thread(
            target=self._make_result_into_future,
            args=(key, future, make),
            name="result",
            daemon=True,
        )
        try:
            thread.start()
        except RuntimeError as error:  # no room for another thread
            self._forget_future_of_key(key, future)
            future.set_exception(error)
        return future

    def _make_result_into_future(
        self, key: str, future: Future[Any], make: Callable[[], Any]
    ) -> None:
        with self._turns:
            try:
                result = make()
            except BaseException as error:
                # Whoever waits learns of it; who comes later has it tried again.
                self._forget_future_of_key(key, future)
                future.set_exception(error)
            else:
                future.set_result(result)

    def _forget_future_of_key(self, key: str, future: Future[Any]) -> None:
        with self._lock:
            if self._futures.get(key) is future:
                del self._futures[key]

    def _forget_oldest(self) -> None:
        # What is still being made stays: forgotten, it would be begun a second time.
        done = [key for key, future in self._futures.items() if future.done()]
        for key in done[: max(0, len(self._futures) - self._most)]:
            del self._futures[key]
