"""The settings of a running pipeline: those of its file, read anew when asked, and its silences."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tocsin.config import Config, Stages, load
from tocsin.configuration.yaml_file import read_yaml
from tocsin.pipeline.chain import Chain
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.notes import Notes
from tocsin.pipeline.rules.silence import Silence
from tocsin.pipeline.store import Store
from tocsin.pipeline.types import Spec

_log = logging.getLogger("tocsin")

# Sections that are read once: what is opened when a run starts, and what is kept.
_FIXED = ("sources", "sinks", "dead_letters", "state", "server")


class Settings:
    """Gives the chain to run with, and later the one to go on with, or None where it stays.

    `asked` says whether the file is to be read again. A file with mistakes, one whose source, sinks
    or state are others, and one under which what was learned would not fit are not taken: the log
    says why, and the last good settings stay.
    """

    def __init__(self, config: Config, spec: Spec, store: Store, asked: Callable[[], bool]) -> None:
        self._path, self._spec, self._asked = config.path, spec, asked
        self._notes = Notes(store)
        self._stages, self._silences = config.stages, self._notes.silences()
        self._fixed = _fixed(config.path)
        self.chain = with_silences(self._stages, self._silences).chain(spec)

    def __call__(self) -> Chain | None:
        stages = (self._read() if self._asked() else None) or self._stages
        silences = self._notes.silences()
        if stages is self._stages and silences == self._silences:
            return None
        chain = with_silences(stages, silences).chain(self._spec)
        self._stages, self._silences = stages, silences
        if chain == self.chain:
            return None
        self.chain = chain
        return chain

    def _read(self) -> Stages | None:
        """The stages of the file as it is now, or None where they cannot be taken."""
        try:
            stages = load(self._path).stages
            chain, fixed = stages.chain(self._spec), _fixed(self._path)
        except ConfigError as error:
            _log.error("%s; the settings stay as they were", error)
            return None
        others = [name for name in _FIXED if fixed[name] != self._fixed[name]]
        if chain.learned_under() != self.chain.learned_under():
            others.append("what is learned (the detector, its windows, the grid or the calibrator)")
        if others:
            _log.error(
                "%s: %s cannot change while it runs; stop it and start it again. "
                "The settings stay as they were",
                self._path,
                ", ".join(others),
            )
            return None
        _log.info("%s was read again", self._path)
        return stages


class FileWatch:
    """Whether a file has other content than when it was last asked for, or somebody else asks."""

    def __init__(self, path: Path, asked: Callable[[], bool]) -> None:
        self._path, self._asked = path, asked
        self._content = self._read()

    def changed(self) -> bool:
        """True once for each change; a file that is gone for a moment has not changed."""
        content = self._read()
        changed = content is not None and content != self._content
        self._content = content or self._content
        return self._asked() or changed

    def _read(self) -> bytes | None:
        try:
            return self._path.read_bytes()
        except OSError:
            return None


@contextmanager
def asked_by_hangup() -> Iterator[Callable[[], bool]]:
    """Whether SIGHUP has come since it was last asked; from a terminal that is closed, it stops."""
    heard = threading.Event()
    in_terminal = _has_terminal()

    def note(*_: object) -> None:
        if in_terminal and not _has_terminal():
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            heard.set()

    def asked() -> bool:
        before = heard.is_set()
        heard.clear()
        return before

    before = signal.signal(signal.SIGHUP, note)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGHUP, before)


def _has_terminal() -> bool:
    """Whether standard input is a terminal that is still there."""
    try:
        os.tcgetpgrp(0)
    except OSError:
        return False
    return True


def with_silences(stages: Stages, silences: dict[int, Silence]) -> Stages:
    """The stages with further silences, besides those of the configuration."""
    if not silences:
        return stages
    rules = replace(stages.rules, silences=stages.rules.silences + tuple(silences.values()))
    return replace(stages, rules=rules)


def _fixed(path: Path) -> dict[str, Any]:
    raw, _ = read_yaml(path, {})
    return {name: raw.get(name) for name in _FIXED}
