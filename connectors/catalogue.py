"""The connectors by name; what one needs is imported when it is asked for."""

import difflib
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from tocsin.pipeline.errors import ConfigError

Role = Literal["source", "sink", "dead_letters"]

_ROLES: dict[Role, str] = {
    "source": "source",
    "sink": "sink",
    "dead_letters": "place for dead letters",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A connector: its name in configurations, its role, where its class is and what it is.

    `extra` is the optional part of the installation that it needs, or "".
    """

    name: str
    role: Role
    target: str
    summary: str
    extra: str = ""

    def load(self) -> type[Any]:
        """The connector's class; a ConfigError names the extra that is not installed."""
        module, name = self.target.split(":")
        try:
            found: type[Any] = getattr(import_module(module), name)
        except ModuleNotFoundError as error:
            if not self.extra or (error.name or "").startswith("tocsin"):
                raise
            raise ConfigError(
                f"{self.role} {self.name!r} needs {error.name}: pip install 'tocsin[{self.extra}]'"
            ) from error
        return found


_HERE = "tocsin.connectors"
_SOURCES = {
    "csv": ("csv_file:CsvSource", "rows of a CSV file, whole or followed"),
    "jsonl": ("jsonl_file:JsonLinesSource", "records of a JSON lines file, whole or followed"),
    "json": ("jsonl_file:JsonArraySource", "records of one JSON array"),
    "parquet": ("parquet_file:ParquetSource", "rows of a Parquet file"),
    "images": ("image_folder:ImageFolder", "images of a folder in time order"),
    "host": ("host:HostSource", "this machine's own telemetry"),
    "plant": ("plant:Plant", "a simulated plant with faults to find"),
    "kafka": ("kafka:KafkaSource", "messages of a Kafka topic"),
    "memory": ("memory:MemorySource", "rows in memory, for tests"),
}
_SINKS = {
    "stdout": ("sinks:TextSink", "a line an incident for people"),
    "jsonl": ("sinks:JsonLinesSink", "incidents as lines of JSON in a file"),
    "webhook": ("webhook:WebhookSink", "incidents posted to a web address"),
    "kafka": ("kafka_sinks:KafkaSink", "incidents to a Kafka topic"),
    "memory": ("memory:MemorySink", "incidents in memory, for tests"),
}
_DEAD_LETTERS = {
    "jsonl": ("dead_letters:JsonLinesDeadLetters", "dead letters as lines of JSON in a file"),
    "kafka": ("kafka_sinks:KafkaDeadLetters", "dead letters to a Kafka topic"),
    "memory": ("memory:MemoryDeadLetters", "dead letters in memory, for tests"),
}
_EXTRAS = {"kafka": "kafka"}


def _entries(role: Role, names: dict[str, tuple[str, str]]) -> dict[tuple[Role, str], Entry]:
    return {
        (role, name): Entry(name, role, f"{_HERE}.{target}", summary, _EXTRAS.get(name, ""))
        for name, (target, summary) in names.items()
    }


CATALOGUE = {
    **_entries("source", _SOURCES),
    **_entries("sink", _SINKS),
    **_entries("dead_letters", _DEAD_LETTERS),
}


def find(role: Role, name: str) -> Entry:
    """The connector of a role by name; a ConfigError names the nearest where there is none.

    >>> find("sink", "webhook").summary
    'incidents posted to a web address'
    """
    entry = CATALOGUE.get((role, name))
    if entry is None:
        known = sorted(known for kind, known in CATALOGUE if kind == role)
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
        raise ConfigError(f"no {_ROLES[role]} is called {name!r}; {hint}")
    return entry
