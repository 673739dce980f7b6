"""What people have told a pipeline: labels and silences, kept in its store.

A running pipeline takes both in while it runs: it asks for the labels that nobody has taken in yet
and for the silences, and writes a label's effect down with the state that has it.
"""

import json
from dataclasses import asdict

from tocsin.pipeline.labels import Label, label_of
from tocsin.pipeline.rules.silence import Silence
from tocsin.pipeline.store import Store


class Notes:
    """The labels and silences of a store; raises StateError as the store does."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add_label(self, label: Label, effect: str | None = None) -> None:
        """Keep a label; one of the same stretch that was said earlier gives way.

        `effect` says in words what it changed; None leaves it to be taken in by who runs.
        """
        self._store.write(
            "INSERT INTO labels (id, said_at, body, effect) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET said_at = excluded.said_at, body = excluded.body, "
            "effect = excluded.effect WHERE excluded.said_at >= labels.said_at",
            (label.id, label.said_at, json.dumps(label.to_json()), effect),
        )

    def labels(self) -> list[Label]:
        """Every label, by start and series."""
        with self._store.reading("SELECT body FROM labels") as rows:
            found = [label_of(json.loads(body)) for (body,) in rows]
        return sorted(found, key=lambda label: (label.start, label.series, label.id))

    def pending(self) -> list[Label]:
        """The labels that nobody has taken in yet, in the order they were said."""
        query = "SELECT body FROM labels WHERE effect IS NULL ORDER BY said_at, id"
        with self._store.reading(query) as rows:
            return [label_of(json.loads(body)) for (body,) in rows]

    def took(self, label: Label, effect: str) -> None:
        """A label has been taken in; one that was said anew meanwhile has not."""
        self._store.write(
            "UPDATE labels SET effect = ? WHERE id = ? AND said_at = ?",
            (effect, label.id, label.said_at),
        )

    def effect(self, label: Label) -> str | None:
        """What a label changed, in words; None while nobody has taken it in."""
        with self._store.reading("SELECT effect FROM labels WHERE id = ?", (label.id,)) as rows:
            found: str | None = next((effect for (effect,) in rows), None)
            return found

    def add_silence(self, silence: Silence) -> int:
        """Keep a silence; gives its number."""
        body = json.dumps(asdict(silence))
        return self._store.write("INSERT INTO silences (body) VALUES (?)", (body,))[1]

    def end_silence(self, number: int) -> bool:
        """Forget a silence; False where there is none of that number."""
        return self._store.write("DELETE FROM silences WHERE number = ?", (number,))[0] > 0

    def silences(self) -> dict[int, Silence]:
        """Every silence by its number."""
        with self._store.reading("SELECT number, body FROM silences ORDER BY number") as rows:
            return {number: Silence(**json.loads(body)) for number, body in rows}
