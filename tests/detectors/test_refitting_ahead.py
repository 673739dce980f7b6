"""Work on a thread beside the run, and results that are remembered."""

import sys
from collections.abc import Callable
from threading import Event, Thread, current_thread
from threading import enumerate as threads

import numpy as np
import pytest

from tocsin.detectors.ahead import Ahead
from tocsin.detectors.remembered import Remembered


def waiting(start: Event, end: Event) -> Callable[[], str]:
    def make() -> str:
        start.set()
        assert end.wait(20)
        return current_thread().name

    return make


def test_begun_work_is_done_on_one_daemon_of_that_name() -> None:
    ahead, start, end = Ahead("aside-once", 4), Event(), Event()
    ahead.begin("a", waiting(start, end))
    ahead.begin("b", lambda: current_thread().name)
    assert start.wait(20)
    (worker,) = [thread for thread in threads() if thread.name == "aside-once"]
    assert worker.daemon
    end.set()
    assert ahead.take("a", lambda: "here") == "aside-once"
    worker.join(20)
    assert not worker.is_alive()


def test_a_worker_that_ended_is_followed_by_another() -> None:
    ahead, start = Ahead("aside-twice", 4), Event()
    ahead.begin("a", start.set)
    assert start.wait(20)
    for worker in [thread for thread in threads() if thread.name == "aside-twice"]:
        worker.join(20)
    again = Event()
    ahead.begin("b", again.set)
    assert again.wait(20)


def test_work_that_has_not_begun_when_it_is_due_is_done_at_once() -> None:
    ahead, start, end = Ahead("aside", 4), Event(), Event()
    ahead.begin("a", waiting(start, end))
    assert start.wait(20)
    ahead.begin("b", lambda: current_thread().name)
    assert ahead.take("b", lambda: "here") == "here"
    assert ahead.take("c", lambda: "here too") == "here too"
    end.set()


def test_a_result_taken_twice_is_made_once() -> None:
    ahead, made = Ahead("aside", 4), []
    for _ in range(3):
        ahead.begin("a", lambda: made.append(1))
        ahead.take("a", lambda: made.append(1))
    assert made == [1]


def test_an_error_is_raised_where_the_result_is_taken() -> None:
    ahead, start = Ahead("aside", 4), Event()

    def fail() -> None:
        start.set()
        raise ValueError("no model of these rows")

    ahead.begin("a", fail)
    assert start.wait(20)
    with pytest.raises(ValueError, match="no model of these rows"):
        ahead.take("a", fail)
    ahead.begin("b", lambda: 1)
    assert ahead.take("b", lambda: 1) == 1


def test_room_grows_and_the_oldest_go_first() -> None:
    ahead = Ahead("aside", 2)
    for name in range(4):
        ahead.begin(name, lambda: None, room=3)
    assert [ahead.begun(name) for name in range(4)] == [False, True, True, True]


def test_another_process_does_not_wait_for_work_that_only_the_first_one_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ahead, start, end = Ahead("aside", 4), Event(), Event()
    ahead.begin("a", waiting(start, end))
    assert start.wait(20)
    monkeypatch.setattr("os.getpid", lambda: -1)  # as after a fork
    assert not ahead.begun("a")
    assert ahead.take("a", lambda: "here") == "here"
    end.set()


def test_what_is_remembered_is_there_while_something_else_is_made() -> None:
    kept, start, end = Remembered(4), Event(), Event()
    kept.get("quick", lambda: 1)
    slow = Thread(target=kept.get, args=("slow", waiting(start, end)))
    slow.start()
    assert start.wait(20)
    assert kept.get("quick", lambda: 2) == 1
    end.set()
    slow.join(20)
    assert kept.get("slow", lambda: "again") == slow.name


def test_two_threads_that_ask_for_the_same_make_it_once() -> None:
    kept, made = Remembered(4), []
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        asking = [
            Thread(target=kept.get, args=("a", lambda: made.append(np.zeros(9).sum())))
            for _ in range(8)
        ]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join(20)
    finally:
        sys.setswitchinterval(before)
    assert len(made) == 1


def test_the_longest_unused_is_forgotten_and_room_does_not_shrink() -> None:
    kept, made = Remembered(2), []
    for name, room in ((0, 3), (1, 1), (2, 1), (0, 1), (3, 1), (0, 1), (1, 1)):
        kept.get(name, lambda name=name: made.append(name), room)
    assert made == [0, 1, 2, 3, 1]
