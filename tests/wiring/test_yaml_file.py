from pathlib import Path

import pytest

from tocsin.configuration.yaml_file import read_yaml
from tocsin.pipeline.errors import ConfigError


def read(folder: Path, text: str, **environment: str) -> tuple[dict[str, object], list[str]]:
    path = folder / "a.yaml"
    path.write_text(text, encoding="utf-8")
    return read_yaml(path, environment)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "is empty"),
        ("- 1\n", "holds a list"),
        ("word\n", "holds 'word'"),
        ("a: [1\n", "is not YAML: line 2"),
        ("a: 1\na: 2\n", "the key 'a' stands twice"),
        ("b: {a: 1, a: 2}\n", "the key 'a' stands twice"),
        ("1: x\n", "a key must be text; found 1"),
        ("on: x\n", "a key must be text; found on (quote it)"),
        ("a: !!python/object:os.system {}\n", "is not YAML"),
        ("a: 2026-99-99\n", "is not YAML"),
    ],
)
def test_what_is_no_configuration_is_refused(tmp_path: Path, text: str, wanted: str) -> None:
    with pytest.raises(ConfigError, match=r"a\.yaml") as told:
        read(tmp_path, text)
    assert wanted in str(told.value)


def test_a_missing_file_a_folder_and_bytes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00\x01")
    for name, wanted in (("none.yaml", "cannot be read"), ("", "folder"), ("bytes.yaml", "UTF-8")):
        with pytest.raises(ConfigError, match=wanted):
            read_yaml(tmp_path / name, {})


def test_variables_are_filled_in_values_and_never_in_keys(tmp_path: Path) -> None:
    text = 'a: "${X}/${Y:-b}"\n"${X}": ["$${X}", 3, "${Z:-}"]\n'
    assert read(tmp_path, text, X="x") == ({"a": "x/b", "${X}": ["${X}", 3, ""]}, [])


def test_a_variable_that_is_not_set_is_told_with_its_path(tmp_path: Path) -> None:
    _, wrong = read(tmp_path, "a: [{b: '${X}'}]\n")
    assert wrong == ["$.a[0].b: the variable X is not set"]


def test_a_list_that_holds_itself_is_a_mistake(tmp_path: Path) -> None:
    _, wrong = read(tmp_path, "a: &a [*a]\n")
    assert wrong == ["$.a[0][0][0]: is nested over 40 levels deep"]


def test_a_variable_without_a_name_is_told(tmp_path: Path) -> None:
    _, wrong = read(tmp_path, "a: '${not a name}'\n")
    assert wrong == ["$.a: ${not a name} is not ${NAME} or ${NAME:-else}"]
