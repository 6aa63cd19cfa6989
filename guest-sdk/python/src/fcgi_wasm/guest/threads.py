"""What programs use threads and selectors for, in one thread.

A component has no threads. Work for a pool is done at once, where it is
submitted, and `asyncio.run` gets an event loop that only knows timers.
"""

import asyncio
import time
from asyncio import base_events
from concurrent import futures


class _Sleep:
    """In place of a selector: nothing happens but time."""

    def select(self, timeout: float | None) -> list:
        if timeout is None:
            raise RuntimeError("nothing can wake this event loop: it has no sockets and no threads")
        time.sleep(max(timeout, 0))
        return []


class TimerLoop(base_events.BaseEventLoop):
    """An event loop without input and output."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _Sleep()

    def _process_events(self, _events: list) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def run_in_executor(self, _executor, function, *arguments):
        future = self.create_future()
        done = done_at_once(function, *arguments)
        if done.exception() is not None:
            future.set_exception(done.exception())
        else:
            future.set_result(done.result())
        return future


def done_at_once(function, *arguments, **options) -> futures.Future:
    """The future of a call that has been made."""
    future: futures.Future = futures.Future()
    try:
        future.set_result(function(*arguments, **options))
    except BaseException as failure:
        future.set_exception(failure)
    return future


def install() -> None:
    """Makes pools and event loops do without threads."""
    futures.ThreadPoolExecutor.submit = lambda _pool, function, /, *arguments, **options: done_at_once(
        function, *arguments, **options
    )
    asyncio.new_event_loop = asyncio.events.new_event_loop = TimerLoop
    asyncio.runners.events.new_event_loop = TimerLoop
