"""Signals that end a job: Ctrl-C and SIGTERM let it finish the batch in hand, a second one ends it at once.

Python runs its signal handlers between two lines of the main thread, seconds late while a network computes. So a
thread of its own reads the signals' numbers as they arrive, says what happens, and ends the process when need be.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTED = 130  # the exit code
ENDING = (signal.SIGINT, signal.SIGTERM)
# `timeout` and some schedulers send one signal twice, to the process and to its group; that counts as one.
ONE_AND_THE_SAME = 0.2  # seconds


class Interruption(KeyboardInterrupt):
    """A signal, raised. Not the very KeyboardInterrupt: Python notes one that passes an `exec` of text, which imports
    are full of, and ends the process by SIGINT at last, whatever exit code the job has chosen."""


class _Signals:
    """What the signals of this process mean just now; a process has only one set of them."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.deferred = 0
        self._heeded = False  # within `interruptible`
        self._arrived = False
        self._first = 0.0

    def listen(self) -> None:
        """Take over the signals; only the main thread can."""
        arrivals, sent = os.pipe()
        os.set_blocking(sent, False)
        signal.set_wakeup_fd(sent, warn_on_full_buffer=False)
        for number in ENDING:
            signal.signal(number, self._interrupt)
        threading.Thread(target=self._watch, args=(arrivals,), name="signals", daemon=True).start()
        os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_leave_to_parent)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """The block of a job's `main`: in it the first signal raises Interruption, at once if it came before.

        Outside, while options are read or Python ends, it raises nothing; a second one ends the process anywhere.
        """
        self._heeded = True
        try:
            if self._arrived:
                raise Interruption
            yield
        finally:
            self._heeded = False

    def raise_if_arrived(self) -> None:
        """Raise Interruption when a signal has come: for code after what may have swallowed it, as imports do."""
        if self._arrived and self._heeded and not self.deferred:
            raise Interruption

    def _interrupt(self, _signal: int, _frame: object) -> None:
        first, self._arrived = not self._arrived, True
        if first and self._heeded and not self.deferred:  # only once: its `finally`s run undisturbed
            raise Interruption

    def _watch(self, arrivals: int) -> None:
        while arrived := os.read(arrivals, 64):
            for number in arrived:
                if number in ENDING:
                    self._count()

    def _count(self) -> None:
        now = time.monotonic()
        if not self.asked.is_set():
            self._first = now
            self.asked.set()
            if self.deferred:
                print("\nfinishing what is in hand; once more ends at once", file=sys.stderr, flush=True)
        elif now - self._first > ONE_AND_THE_SAME:
            os._exit(INTERRUPTED)


def _hold() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)


def _release() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def _leave_to_parent() -> None:
    """In a forked child: the pipe is shared with the parent, which would take the child's signals for its own."""
    signal.set_wakeup_fd(-1)
    for number in ENDING:
        signal.signal(number, signal.SIG_DFL)
    _release()


_SIGNALS = _Signals()
listen = _SIGNALS.listen
interruptible = _SIGNALS.interruptible
raise_if_arrived = _SIGNALS.raise_if_arrived


@contextmanager
def finish_first() -> Iterator[threading.Event]:
    """Inside this block a signal raises nothing; it sets the event, which the work asks between its steps.

    `event.wait(seconds)` pauses until then. The block's owner ends the work in order and raises Interruption;
    outside, the first signal raises it by itself, see `interruptible`. A second signal ends the process at once, with
    exit code 130: what was committed stays.
    """
    _SIGNALS.deferred += 1
    try:
        yield _SIGNALS.asked
    finally:
        _SIGNALS.deferred -= 1
