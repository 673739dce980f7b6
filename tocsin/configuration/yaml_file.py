"""Strict YAML: every key once, text keys only, and `${NAME}` from the environment in values."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tocsin.configuration.settings import path_of, shown
from tocsin.pipeline.errors import ConfigError

_VARIABLE = re.compile(r"\$(\$)?\{([^{}]*)\}")
_NAME = re.compile(r"([A-Za-z_]\w*)(?::-(.*))?", re.ASCII | re.DOTALL)
_DEEPEST = 40
_LARGEST = 4 << 20


def read_yaml(path: Path, environment: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The map that a file holds, and what is wrong with its values, each with its path.

    `${NAME}` and `${NAME:-default}` inside a value, never a key, stand for the variable of the
    environment; `$${NAME}` is that text itself. A file that is missing, empty, no YAML or no map
    is a ConfigError.
    """
    raw = _parse(_read(path), path)
    if not isinstance(raw, dict):
        found = "is empty" if raw is None else f"holds {shown(raw)}"
        raise ConfigError(f"{path} {found}; wanted a map that starts with 'version: 1'")
    wrong: list[str] = []
    return _filled(raw, (), environment, wrong), wrong


def _read(path: Path) -> str:
    try:
        if path.is_dir():
            raise ConfigError(f"{path} is a folder; wanted a YAML file")
        if path.stat().st_size > _LARGEST:
            raise ConfigError(f"{path} is larger than {_LARGEST >> 20} MiB; wanted a configuration")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text; wanted a YAML file") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error


def _parse(text: str, path: Path) -> Any:
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{path} is not YAML: {_where(error)}") from error
    except RecursionError as error:
        raise ConfigError(f"{path} is nested too deeply") from error
    finally:
        loader.dispose()


def _where(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


class _Loader(yaml.SafeLoader):
    """Plain values only; a key that stands twice is refused, not overwritten."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - the name and form are PyYAML's
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag not in (_TEXT, _MERGE):
                raise yaml.constructor.ConstructorError(
                    None, None, f"a key must be text; found {_key(key)}", key.start_mark
                )
            if key.value in seen:
                problem = f"the key {key.value!r} stands twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


_TEXT = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"


def _key(node: yaml.Node) -> str:
    return f"{node.value} (quote it)" if isinstance(node, yaml.ScalarNode) else "a list or map"


def _filled(
    value: Any, place: tuple[int | str, ...], environment: Mapping[str, str], wrong: list[str]
) -> Any:
    """The value with its variables filled in; mistakes go to `wrong`."""
    if len(place) > _DEEPEST:
        wrong.append(f"{path_of('$', place[:4])}: is nested over {_DEEPEST} levels deep")
        return None
    if isinstance(value, dict):
        return {key: _filled(v, (*place, key), environment, wrong) for key, v in value.items()}
    if isinstance(value, list):
        return [_filled(v, (*place, i), environment, wrong) for i, v in enumerate(value)]
    return _with_variables(value, place, environment, wrong) if isinstance(value, str) else value


def _with_variables(
    text: str, place: tuple[int | str, ...], environment: Mapping[str, str], wrong: list[str]
) -> str:
    def variable(match: re.Match[str]) -> str:
        if match[1]:
            return match[0][1:]
        named = _NAME.fullmatch(match[2])
        if named is None:
            wrong.append(f"{path_of('$', place)}: {match[0]} is not ${{NAME}} or ${{NAME:-else}}")
            return ""
        found = environment.get(named[1]) or named[2]
        if found is None:
            wrong.append(f"{path_of('$', place)}: the variable {named[1]} is not set")
        return found or ""

    return _VARIABLE.sub(variable, text)
