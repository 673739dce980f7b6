"""Detectors are found by name, and nothing is imported before it is asked for."""

import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from tocsin.detectors import catalogue
from tocsin.detectors.catalogue import CATALOGUE, Entry, entries, find, load
from tocsin.pipeline.errors import ConfigError


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_name_loads_a_scorer_that_takes_what_the_entry_says(name: str) -> None:
    kind = load(name)
    assert kind().traits.item == CATALOGUE[name].item
    assert callable(kind.score)


@pytest.mark.parametrize("name", CATALOGUE)
def test_entries_stand_under_their_own_name(name: str) -> None:
    assert CATALOGUE[name].name == name


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'ewmaa'; did you mean 'ewma'"):
        load("ewmaa")


def test_a_name_like_no_other_is_answered_with_all() -> None:
    with pytest.raises(ConfigError, match="there are autoencoder, autoregression, batch_test"):
        load("zzz")


def test_importing_the_catalogue_imports_no_numba() -> None:
    code = "import sys, tocsin.detectors.catalogue; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"


def test_another_package_adds_a_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, EntryPoint("theirs", "tocsin.detectors.classical.ewma:Ewma", "g"))
    assert entries()["theirs"].item == "any"
    assert load("theirs").__name__ == "Ewma"


def test_another_package_does_not_replace_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, EntryPoint("ewma", "elsewhere:Ewma", "g"))
    assert find("ewma") == CATALOGUE["ewma"]


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Entry("deep", "no_such_package.deep:Deep", "", extra="deep")
    monkeypatch.setitem(CATALOGUE, "deep", entry)
    with pytest.raises(ConfigError, match=r"needs no_such_package: pip install 'tocsin\[deep\]'"):
        load("deep")


def _install(monkeypatch: pytest.MonkeyPatch, point: EntryPoint) -> None:
    def installed(*, group: str) -> EntryPoints:
        return EntryPoints([point] if group == "tocsin.scorers" else [])

    monkeypatch.setattr(catalogue, "entry_points", installed)
