"""Every example of README.md and docs/ is run, or says why it is not.

A fenced block names its language. An HTML comment just above it may say:

- nothing: `python` is run, the `$` lines of `console` and `bash` are run and must succeed, `yaml`
  with a top-level `version:` must pass `tocsin validate`; `text`, `json`, `mermaid` and `toml` are
  for reading;
- `not run: why`: nothing is done;
- `file: name`: the block is written to that file, for the blocks after it;
- `exits 78`: the last command of the block must end so.

The blocks of a page run in order, in one fresh folder; its `python` blocks share their names. A
block inside an HTML comment is run and not shown. The Kafka quick start has a test of its own,
`test_kafka_quick_start.py`.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
SHELL = {"console", "bash", "sh"}
READING = {"text", "json", "mermaid", "toml"}
LANGUAGES = SHELL | READING | {"python", "yaml", "csv"}
MOST_SECONDS = 300

FENCE = re.compile(r"^\s*(`{3,})\s*([\w+-]*)\s*$")
COMMENT = re.compile(r"^\s*<!--\s*(.*?)\s*-->\s*$")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its page, first line's number, language, text, and the note above it."""

    page: str
    line: int
    language: str
    text: str
    note: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    def told(self, word: str) -> str | None:
        """What the note says after `word`, or None."""
        return self.note[len(word) :].strip() if self.note.startswith(word) else None


def blocks_of(page: str, text: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order; a fence ends at one of the same length."""
    note, fence, language, start, inside = "", "", "", 0, list[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        mark = FENCE.match(line)
        if fence:
            if mark and mark[1] == fence and not mark[2]:
                yield Block(page, start, language, "\n".join(inside) + "\n", note)
                fence, note = "", ""
            else:
                inside.append(line)
        elif mark:
            fence, language, start, inside = mark[1], mark[2], number + 1, []
        elif comment := COMMENT.match(line):
            note = comment[1]
        elif line.strip():
            note = ""
    if fence:
        raise AssertionError(f"{page}:{start}: the block is never closed")


def page_blocks(path: Path) -> list[Block]:
    return list(blocks_of(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")))


def commands(text: str) -> list[str]:
    """The commands of a console block: lines after `$`, with those they go on in."""
    joined = text.replace("\\\n", " ")
    return [line[2:].strip() for line in joined.splitlines() if line.startswith("$ ")]


def cannot_run(block: Block) -> str | None:
    """Why a block that does not say `not run` is not run as it stands, or None."""
    if block.language not in LANGUAGES:
        return f"{block}: language {block.language!r}, wanted one of {sorted(LANGUAGES)}"
    if block.told("not run") is not None:
        why = block.told("not run:")
        return None if why else f"{block}: `not run` needs a reason after a colon"
    if block.language in SHELL and block.told("file:") is None:
        given = commands(block.text)
        odd = [command for command in given if not command.startswith(("tocsin ", "make "))]
        if odd or not given:
            return f"{block}: only `$ tocsin` and `$ make` lines are run; found {odd or 'none'}"
    return None


def make_targets() -> set[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z]+):", text, re.MULTILINE))


def shell(block: Block, folder: Path, environment: dict[str, str]) -> None:
    """Run a block's commands; `make` is only looked up, as its targets would run the tests."""
    given = commands(block.text)
    for index, command in enumerate(given):
        if command.startswith("make "):
            assert command.split()[1] in make_targets(), f"{block}: {command}"
            continue
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", command],
            check=False,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=MOST_SECONDS,
        )
        wanted = int(block.told("exits") or 0) if index == len(given) - 1 else 0
        assert done.returncode == wanted, f"{block}: {command}\n{done.stdout}{done.stderr}"


def validate(block: Block, folder: Path, environment: dict[str, str]) -> None:
    """Hold a configuration to `tocsin validate`, with something in every `${NAME}`."""
    if "version" not in (yaml.safe_load(block.text) or {}):
        return
    path = folder / f"block-{block.line}.yaml"
    path.write_text(block.text, encoding="utf-8")
    filled = dict.fromkeys(re.findall(r"\$\{(\w+)\}", block.text), "localhost:9092") | environment
    command = Block(block.page, block.line, "console", f"$ tocsin validate {path.name}\n", "")
    shell(command, folder, filled)


def run_block(block: Block, folder: Path, names: dict[str, Any]) -> None:
    """Do with one block what its language and note ask for."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"}
    if (name := block.told("file:")) is not None:
        (folder / name).write_text(block.text, encoding="utf-8")
    if block.language == "python":
        # Blank lines put the block where it stands in the page, so that tracebacks point there.
        code = compile("\n" * (block.line - 1) + block.text, block.page, "exec")
        exec(code, names)
    elif block.language in SHELL and block.told("file:") is None:
        shell(block, folder, environment)
    elif block.language == "yaml":
        validate(block, folder, environment)


def run_page(path: Path, folder: Path) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in page_blocks(path):
        if block.told("not run") is None:
            run_block(block, folder, names)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    assert [why for block in page_blocks(page) if (why := cannot_run(block))] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_examples_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(page, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    inside = [t.partition("#")[0] for t in targets if not re.match(r"[a-z]+:|#", t)]
    assert [target for target in inside if not (page.parent / target).exists()] == []


def all_pages() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def command_names() -> list[str]:
    """Every command of the command line, `state ls` for one inside a group."""
    from tocsin.cli import app  # noqa: PLC0415 - the other tests do without it

    def inside(group: Any, before: str) -> Iterator[str]:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from inside(command, f"{before}{name} ")
            elif not command.hidden:
                yield f"{before}{name}"

    return list(inside(typer.main.get_command(app), ""))


def test_every_command_is_in_the_documentation() -> None:
    text = all_pages()
    names = command_names()
    assert names
    assert [name for name in names if not re.search(rf"tocsin {name}\b", text)] == []


@pytest.mark.parametrize("kind", ["detectors", "connectors"])
def test_every_catalogue_entry_is_in_the_documentation(kind: str) -> None:
    command = [sys.executable, "-m", "tocsin", "list", kind, "--json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    names = [entry["name"] for entry in json.loads(done.stdout)]
    text = all_pages()
    assert names
    assert [name for name in names if not re.search(rf"\b{re.escape(name)}\b", text)] == []


SAMPLE = """
<!-- not run: it never ends -->
```console
$ tocsin watch
```
Words.
```python
x = 1
```
<!-- file: a.yaml -->

````yaml
```
````
"""


def test_blocks_are_found_with_their_notes() -> None:
    assert [(b.language, b.line, b.text, b.note) for b in blocks_of("page", SAMPLE)] == [
        ("console", 4, "$ tocsin watch\n", "not run: it never ends"),
        ("python", 8, "x = 1\n", ""),
        ("yaml", 13, "```\n", "file: a.yaml"),
    ]


@pytest.mark.parametrize(
    ("language", "text", "note"),
    [
        ("", "anything\n", ""),
        ("ruby", "puts 1\n", ""),
        ("console", "$ pip install tocsin\n", ""),
        ("console", "tocsin demo\n", ""),
        ("python", "x = 1\n", "not run"),
    ],
)
def test_a_block_that_would_slip_through_is_named(language: str, text: str, note: str) -> None:
    assert cannot_run(Block("page", 1, language, text, note)) is not None


def test_a_failing_example_fails(tmp_path: Path) -> None:
    block = Block("page", 1, "console", "$ tocsin no-such-command\n", "")
    with pytest.raises(AssertionError, match="no-such-command"):
        run_block(block, tmp_path, {})


def test_a_wrong_configuration_fails(tmp_path: Path) -> None:
    block = Block("page", 1, "yaml", "version: 1\nno_such_key: 1\n", "")
    with pytest.raises(AssertionError, match="no_such_key"):
        run_block(block, tmp_path, {})
