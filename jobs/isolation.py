"""Look at suspect files apart: each is read and decoded in a child process that may die of it.

TensorFlow can't be forked, so the child is a fresh interpreter; it takes one path a line, in hexadecimal digits, and
answers each with one word.
"""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from pipeline.rejection import Limits
from pipeline.stores import PATIENCE

HOUSE = Path(__file__).parent.parent
SECONDS = 30  # a file
STORES_SECONDS = "4"  # a request; with all its repetitions less than the above
MEMORY = 4 << 30  # bytes of address space beyond what the libraries take
READY, FINE, TOO_LARGE = "ready", "fine", "memory"
Child = subprocess.Popen[str]


def find_culprits(root: bytes, paths: Sequence[bytes], limits: Limits) -> Iterator[tuple[bytes, str]]:
    """Decode each of `paths` in a child process; give (path, why it must not be decoded, or '') as each is known.

    `root` is a source's, which the child opens again (see `pipeline.sources`). A file that only can't be read is
    none: the normal stream names it. Raises RuntimeError when no child starts.
    """
    waiting = list(paths)
    while waiting:
        with _child(root, limits) as child:
            while waiting:
                path = waiting.pop(0)
                reason = _reason(child, path)
                yield path, reason
                if child.poll() is not None:
                    break


def _reason(child: Child, path: bytes) -> str:
    answer = _ask(child, path.hex())
    if answer == FINE:
        return ""
    if answer == TOO_LARGE:
        return f"needs more than {MEMORY >> 30} GiB of memory to decode"
    number = -child.wait()
    if number == signal.SIGALRM:
        return f"takes more than {SECONDS} s to decode"
    name = signal.Signals(number).name if number > 0 else f"exit code {-number}"
    return f"kills the process that decodes it ({name})"


def _ask(child: Child, question: str) -> str:
    assert child.stdin and child.stdout
    with suppress(BrokenPipeError):
        child.stdin.write(question + "\n")
        child.stdin.flush()
    return child.stdout.readline().strip()


@contextmanager
def _child(root: bytes, limits: Limits) -> Iterator[Child]:
    command = [sys.executable, "-m", "jobs.isolation"]
    settings = json.dumps({"root": root.hex(), "limits": asdict(limits)})
    # In a session of its own: Ctrl-C is for the parent, which asks between two files.
    with subprocess.Popen(
        command,
        cwd=HOUSE,
        # Pictures are decoded on the CPU; a store that does not answer is not taken for a picture that takes too long.
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", PATIENCE: STORES_SECONDS},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as child:
        try:
            if _ask(child, settings) != READY:
                raise RuntimeError(f"the process that looks at suspect files did not start (exit code {child.wait()})")
            yield child
        finally:
            with suppress(BrokenPipeError):
                child.communicate()


def main() -> None:
    """Be the child: answer 'fine', 'memory', or die; the alarm ends what takes too long, also outside of Python."""
    import tensorflow as tf

    from pipeline.images import load_or_reject
    from pipeline.reading import Rejected
    from pipeline.sources import open_source

    settings = json.loads(sys.stdin.readline())
    root, limits = bytes.fromhex(settings["root"]), Limits(**settings["limits"])
    source = open_source(os.fsdecode(root))
    _limit_memory()
    print(READY, flush=True)
    for line in sys.stdin:
        signal.alarm(SECONDS)
        answer = FINE
        try:
            load_or_reject(root, bytes.fromhex(line.strip()), limits, source.read)
        except Rejected as reject:
            if isinstance(reject.__cause__, MemoryError | tf.errors.ResourceExhaustedError):
                answer = TOO_LARGE
        except MemoryError:
            answer = TOO_LARGE
        signal.alarm(0)
        print(answer, flush=True)


def _limit_memory() -> None:
    with suppress(OSError, ValueError):  # not every system has both; the time limit stands
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * os.sysconf("SC_PAGE_SIZE") + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main()
