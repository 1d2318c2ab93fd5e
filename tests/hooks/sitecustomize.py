"""Python imports this at its start when tests put the folder in front of the path: it makes reading slow, or deadly.

PICTURE_FAULTS holds NAME=FAULT pairs, apart by spaces: a file of that name (or each, for *) meets that fault when it is
read. Faults: abort, segfault, hang, hungry, or a number of seconds to wait.
"""

import ctypes
import os
import threading
import time

from pipeline import reading

PLAN = dict(pair.split("=") for pair in os.environ.get("PICTURE_FAULTS", "").split())
read_picture = reading.read_picture


def meet(fault: str) -> None:
    if fault == "abort":
        os.abort()
    if fault == "segfault":
        ctypes.string_at(0)
    if fault == "hang":
        threading.Lock().acquire()
        ctypes.CDLL(None).pause()
    if fault == "hungry":
        bytearray(64 << 30)
    time.sleep(float(fault))


def read_with_faults(root, path, limits=reading.LIMITS):
    fault = PLAN.get(os.fsdecode(path), PLAN.get("*"))
    if fault:
        meet(fault)
    return read_picture(root, path, limits)


reading.read_picture = read_with_faults
