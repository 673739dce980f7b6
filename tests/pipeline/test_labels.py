"""What people say of incidents is checked, named and kept."""

from pathlib import Path
from typing import Any

import pytest

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.labels import Label, label_of
from tocsin.pipeline.notes import Notes
from tocsin.pipeline.store import Store


def said(**other: Any) -> Label:
    plain = {"series": "pump-1", "start": 5, "end": 9, "verdict": "confirmed"}
    return label_of({**plain, **other})


def test_a_label_comes_back_from_its_plain_values() -> None:
    label = said(cause="holiday", author="ada", said_at=3)
    assert label_of(label.to_json()) == label


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"verdict": "perhaps"}, "verdict: found 'perhaps', wanted one of confirmed"),
        ({"cause": "gremlins"}, "cause: found 'gremlins'"),
        ({"end": 4}, "an end that is not before its start"),
        ({"series": ""}, "needs a series"),
        ({"mood": "bad"}, "not a label"),
    ],
)
def test_what_is_no_label_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        said(**wrong)


def test_the_newest_label_of_a_stretch_counts(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        notes = Notes(store)
        notes.add_label(said(said_at=2, verdict="expected"))
        notes.add_label(said(said_at=1))
        notes.add_label(said(said_at=1, start=6))
    with Store(tmp_path / "store.db") as store:
        assert [(each.start, each.verdict) for each in Notes(store).labels()] == [
            (5, "expected"),
            (6, "confirmed"),
        ]
