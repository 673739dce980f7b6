"""Work that is begun before its result is due, on one thread beside the run.

Only pure functions are worth it: the result is the same whether it was made ahead, or when asked
for because there was no time, or because the process was started anew in between.
"""

import os
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Any

Make = Callable[[], Any]


class Ahead:
    """The newest `room` results by name, and one worker while there is work.

    The worker is a daemon: a process that ends does not wait for it.
    """

    def __init__(self, thread: str, room: int) -> None:
        self._thread = thread
        self._room = room
        self._works = False
        self._renew()

    def begun(self, name: Hashable) -> bool:
        """Whether the work of this name is begun, or done and still remembered."""
        self._know_the_process()
        with self._lock:
            return name in self._kept

    def begin(self, name: Hashable, make: Make, room: int = 0) -> None:
        """Have `make` called by the worker when its turn comes, unless that is begun already.

        From then on there is room for `room` results.
        """
        self._know_the_process()
        with self._lock:
            self._room = max(self._room, room)
            if name in self._kept:
                return
            future: Future[Any] = Future()
            self._keep(name, future)
            self._queue.append((future, make))
            if not self._works:
                self._works = True
                Thread(target=self._work, name=self._thread, daemon=True).start()

    def take(self, name: Hashable, make: Make) -> Any:
        """The result; waited for where the worker is at it, made here where it has not begun.

        What `make` raises is raised here.
        """
        self._know_the_process()
        with self._lock:
            future = self._kept.get(name)
        if future is None or future.cancel():
            future = Future()
            future.set_result(make())
            with self._lock:
                self._keep(name, future)
        return future.result()

    def _keep(self, name: Hashable, future: "Future[Any]") -> None:
        self._kept[name] = future
        self._kept.move_to_end(name)
        while len(self._kept) > self._room:
            self._kept.popitem(last=False)[1].cancel()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._works = False
                    return
                future, make = self._queue.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                made = make()
            except BaseException as error:  # raised where the result is taken
                future.set_exception(error)
            else:
                future.set_result(made)

    def _know_the_process(self) -> None:
        """A forked process has the waiting work, but not the thread that does it."""
        if os.getpid() != self._process:
            self._renew()

    def _renew(self) -> None:
        self._process = os.getpid()
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, Future[Any]] = OrderedDict()
        self._queue: deque[tuple[Future[Any], Make]] = deque()
        self._works = False
