"""Completes the event loop of componentize-py, which is made for its own use.

It runs tasks and waits for the host. Timers, pools and callbacks without a
context are missing, and an exception in any task would end the instance.
"""

import asyncio
import contextvars
import sys
import time
import traceback

import componentize_py_async_support as support
from wit_world.imports import monotonic_clock

from .threads import done_at_once

_CLOCK_NANOSECONDS = 1_000_000_000

# The timers that have not fired: they must not keep an instance from ending.
_waiting: set[asyncio.TimerHandle] = set()

# That of the one request, for callbacks from contexts that know of none.
_request_state = None


def begin() -> None:
    """Called in the task of the request."""
    global _request_state
    _request_state = support._future_state.get()


class Loop(support._Loop):
    """The loop with what asyncio and anyio ask of one."""

    def call_soon(self, callback, *args, context=None):
        if context is None:
            context = contextvars.copy_context()
        state = context.get(support._future_state, _request_state)
        handle = asyncio.Handle(callback, args, self, context)
        state.handles.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def time(self) -> float:
        return time.monotonic()

    def call_later(self, delay, callback, *args, context=None):
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(self, when, callback, *args, context=None):
        if context is None:
            context = contextvars.copy_context()
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        _waiting.add(timer)
        asyncio.Task(self._fire(timer), loop=self)
        return timer

    async def _fire(self, timer: asyncio.TimerHandle) -> None:
        delay = timer.when() - self.time()
        if delay > 0:
            await monotonic_clock.wait_for(int(delay * _CLOCK_NANOSECONDS))
        _waiting.discard(timer)
        if not timer.cancelled():
            timer._run()

    def _timer_handle_cancelled(self, timer) -> None:
        """asyncio tells its loops of cancelled timers."""

    def create_task(self, coroutine, *, name=None, context=None, **_options):
        return asyncio.Task(coroutine, loop=self, name=name, context=context)

    def run_in_executor(self, _executor, function, *arguments):
        return asyncio.wrap_future(done_at_once(function, *arguments), loop=self)

    def call_exception_handler(self, context) -> None:
        print(f"fcgi-wasm: {context.get('message', 'a task failed')}", file=sys.stderr)
        if context.get("exception") is not None:
            traceback.print_exception(context["exception"])

    def get_exception_handler(self):
        return None

    def get_task_factory(self):
        return None

    def set_debug(self, _enabled: bool) -> None:
        pass


def _poll(state) -> int:
    """As the original, but timers that nobody waits for any more are left."""
    support._loop.poll(state)
    if state.pending_count == 0:
        if state.waitable_set is not None and not state.futures:
            support.componentize_py_runtime.waitable_set_drop(state.waitable_set)
        return support._CallbackCode.EXIT
    assert state.waitable_set is not None, "nothing can wake this request"
    support.componentize_py_runtime.context_set(state)
    return support._CallbackCode.WAIT | (state.waitable_set << 4)


def install() -> None:
    support._loop.__class__ = Loop
    support._poll = _poll


def run_workers_inline() -> None:
    """Makes anyio call what it would give to a thread."""
    if "anyio" not in sys.modules:
        return
    from anyio._backends._asyncio import AsyncIOBackend

    async def run_sync(_cls, function, arguments, abandon_on_cancel=False, limiter=None):
        await asyncio.sleep(0)
        return contextvars.copy_context().run(function, *arguments)

    AsyncIOBackend.run_sync_in_worker_thread = classmethod(run_sync)
