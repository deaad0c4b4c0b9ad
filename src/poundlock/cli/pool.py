"""Scans many files in several processes, in the order they were given.

Must never send a value from one process to another: what comes back is masked.
"""

from __future__ import annotations

import os
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future

    from poundlock.cli.contents import Answer, Item, Job

CHUNK = 32  # files that a process is given at once
AHEAD = 4  # chunks a process that are under way or wait to be told


class Worker(NamedTuple):
    """What a process keeps: its job, with its own detector and its own git."""

    job: Job


_workers: list[Worker] = []


def cores() -> int:
    """Give how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _prepare(job: Job) -> None:
    import signal

    # The parent answers Ctrl-C, once.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _workers[:] = [Worker(job)]


def _examine(items: list[Item]) -> list[Answer]:
    from poundlock.cli.contents import examine

    out = []
    for item in items:
        answer = examine(_workers[0].job, item)
        out.append(answer._replace(found=[one.without_value() for one in answer.found]))
    return out


def answers(items: Iterable[Item], job: Job, jobs: int) -> Iterator[Answer]:
    """Yield the answer for each item, in order; at most `AHEAD` chunks a process are held.

    Raises: `BrokenProcessPool` if a process is killed.
    """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    # Where there is fork, the detector is loaded once and shared; elsewhere each process loads its own.
    forked = "fork" in multiprocessing.get_all_start_methods() and os.uname().sysname == "Linux"
    if forked:
        job.detector()
    given = iter(items)
    context = multiprocessing.get_context("fork" if forked else "spawn")
    waiting: deque[Future[list[Answer]]] = deque()
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_prepare, initargs=(job,)) as pool:
        try:
            while True:
                while len(waiting) < jobs * AHEAD and (chunk := list(islice(given, CHUNK))):
                    waiting.append(pool.submit(_examine, chunk))
                if not waiting:
                    return
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
