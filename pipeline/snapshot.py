"""A partition's state in parts: what its keys share, and blocks of keys' rows."""

import json
from collections.abc import Container
from typing import Any

import numpy as np

from tocsin.pipeline.chain import Chain, ChainState, make_room, start
from tocsin.pipeline.errors import StateError
from tocsin.pipeline.keyed import keyed_fields, read_field
from tocsin.pipeline.keys import KeyTable
from tocsin.pipeline.state import (
    Plain,
    Upgrade,
    fill,
    flatten,
    refuse_other_settings,
    settings_of,
)
from tocsin.pipeline.types import IntArray

BLOCK = 256  # keys to a block

_NAMES = "keys.names"
_FREE = "keys.free"
_COUNT = "keys.count"  # with what is shared, so that a lost block of keys is missed
# Each starts afresh when another kind of it is set, or when it was left out before.
_MOVABLE = ("threshold.", "selftest.", "grouping.", "drift.", "retention.")
_SET = ("health.low", "health.high", "health.stale_after")  # by this run's limits, not the saved


def header(chain: Chain) -> str:
    """What a saved state must agree with before this chain takes it, and `movable` settings.

    Where those differ, the state's layout may: all of it is written anew.
    """
    versions = {"scorer": chain.scorer.version, "calibrator": chain.calibrator.version}
    movable = settings_of((chain.threshold, chain.selftest, chain.drift, chain.retention))
    learned = {"versions": versions, "settings": json.loads(chain.learned_under())}
    return json.dumps(learned | {"movable": json.loads(movable)})


def shared_part(state: ChainState) -> Plain:
    """All that is not a row of a key."""
    rows = keyed_fields(state).keys() | {_NAMES}
    shared = {path: value for path, value in flatten(state).items() if path not in rows}
    return shared | {_COUNT: len(state.keys)}


def block_of(state: ChainState, block: int) -> Plain:
    """The names and rows of one block of keys."""
    rows = slice(block * BLOCK, min((block + 1) * BLOCK, len(state.keys)))
    part: Plain = {path: read_field(state, path)[rows] for path in keyed_fields(state)}
    return part | {_NAMES: state.keys.names[rows]}


def blocks_touched(keys: IntArray) -> list[int]:
    """The blocks that hold these keys."""
    return [int(block) for block in np.unique(keys // BLOCK)]


def restore(
    chain: Chain, saved_header: str, shared: Plain, blocks: dict[int, Plain], where: str
) -> ChainState:
    """The state that was saved; StateError names what does not fit this chain."""
    older = _check(chain, saved_header, where)
    if sorted(blocks) != list(range(len(blocks))):
        raise StateError(f"{where}: of the blocks of keys only {sorted(blocks)} were saved")
    names = [name for number in sorted(blocks) for name in names_of(blocks[number], where)]
    saved = shared | _join(blocks) | {_NAMES: names}
    if (count := saved.pop(_COUNT, None)) != len(names):
        raise StateError(f"{where}: of {count} series {len(names)} were saved")
    if older is not None:
        saved = _upgrade(chain, older, saved)
    state = start(chain)
    state.keys = _table(names, saved.get(_FREE), where)
    make_room(chain, state, state.keys.ids())
    fresh = flatten(state)
    keyed = keyed_fields(state)
    for stage in _MOVABLE:
        if not _alike(saved, fresh, stage, keyed):
            saved = {path: value for path, value in saved.items() if not path.startswith(stage)}
            saved |= {path: value for path, value in fresh.items() if path.startswith(stage)}
    saved |= {path: fresh[path] for path in _SET}
    for path in keyed:
        saved[path] = _pad(fresh[path], saved.get(path), len(names), f"{where}: {path}")
    return fill(state, saved, where)


def moved(chain: Chain, state: ChainState, other: Chain, where: str) -> ChainState:
    """The state under other settings, as after a stop and a start; the old one is used up.

    StateError where what was learned does not fit them.
    """
    blocks = {
        number: block_of(state, number) for number in blocks_touched(np.arange(len(state.keys)))
    }
    return restore(other, header(chain), shared_part(state), blocks, where)


def _alike(saved: Plain, fresh: Plain, stage: str, keyed: Container[str]) -> bool:
    """Whether a stage has the same fields in both, and its keys rows of the same shape."""
    paths = {path for path in fresh if path.startswith(stage)}
    if paths != {path for path in saved if path.startswith(stage)}:
        return False
    rows = [path for path in paths if path in keyed]
    return all(np.shape(saved[path])[1:] == np.shape(fresh[path])[1:] for path in rows)


def _table(names: list[str], free: Any, where: str) -> KeyTable:
    """The series by id; ids that are free have no name."""
    if not isinstance(free, np.ndarray) or not np.isin(free, np.arange(len(names))).all():
        raise StateError(f"{where}: which ids of the {len(names)} series are free was not saved")
    return KeyTable(names, free)


def names_of(block: Plain, where: str) -> list[str]:
    """The series of a block of keys; "" where one was forgotten."""
    names = block.get(_NAMES)
    if not isinstance(names, list):
        raise StateError(f"{where}: a block of keys has no names")
    return names


def _join(blocks: dict[int, Plain]) -> Plain:
    """The rows of all keys, from the blocks that hold them."""
    paths = [path for path in blocks.get(0, {}) if path != _NAMES]
    parts = [blocks[number] for number in sorted(blocks)]
    return {path: np.concatenate([np.asarray(part[path]) for part in parts]) for path in paths}


def _pad(fresh: Any, rows: Any, keys: int, where: str) -> Any:
    """Saved rows at the head of a fresh array, which knows its fill and capacity."""
    if keys == 0 and rows is None:
        return fresh
    if rows is None:
        raise StateError(f"{where}: missing from the saved state")
    if rows.dtype != fresh.dtype or rows.shape[1:] != fresh.shape[1:]:
        raise StateError(
            f"{where}: found rows of {rows.dtype} {rows.shape[1:]}, "
            f"wanted {fresh.dtype} {fresh.shape[1:]}"
        )
    fresh[:keys] = rows[:keys]
    return fresh


def _check(chain: Chain, saved_header: str, where: str) -> int | None:
    """Refuse other settings and newer versions; gives the scorer's version if it is older."""
    versions, settings = _read_header(saved_header, where)
    wanted_versions, wanted_settings = _read_header(header(chain), where)
    names = ("spec", "grid", "window", "scorer", "calibrator")
    for name, old, new in zip(names, settings, wanted_settings, strict=True):
        refuse_other_settings(json.dumps(old or {}), json.dumps(new or {}), f"{where}: {name}")
    older: int | None = None
    for stage, needed in wanted_versions.items():
        version = versions[stage]
        stage_of = getattr(chain, stage)
        if version < needed and stage == "scorer" and hasattr(stage_of, "upgrade"):
            older = version
        elif version != needed:
            raise StateError(
                f"{where}: {stage} state has version {version}, this run needs {needed}"
            )
    return older


def _read_header(text: str, where: str) -> tuple[dict[str, int], list[Any]]:
    """The versions by stage, and the settings in the order of `Chain.learned_under`."""
    try:
        found = json.loads(text)
        versions = {stage: int(found["versions"][stage]) for stage in ("scorer", "calibrator")}
        one, two, three, four, five = found["settings"]
    except (ValueError, TypeError, KeyError) as error:
        raise StateError(f"{where}: the header of the saved state is damaged") from error
    return versions, [one, two, three, four, five]


def _upgrade(chain: Chain, version: int, plain: Plain) -> Plain:
    """Let the scorer bring its own fields up to date."""
    prefix = "scorer."
    own = {path[len(prefix) :]: value for path, value in plain.items() if path.startswith(prefix)}
    rest = {path: value for path, value in plain.items() if not path.startswith(prefix)}
    upgrade: Upgrade = getattr(chain.scorer, "upgrade")  # noqa: B009 - optional in the protocol
    return rest | {prefix + path: value for path, value in upgrade(version, own).items()}
