import subprocess
import sys

import pytest

from tocsin.connectors.catalogue import CATALOGUE, Entry, Role, find
from tocsin.pipeline.errors import ConfigError


@pytest.mark.parametrize("place", CATALOGUE, ids="-".join)
def test_every_connector_loads(place: tuple[Role, str]) -> None:
    if place[1] == "kafka":
        pytest.importorskip("kafka", reason="kafka-python is an extra")
    loaded = find(*place).load()
    method = "read" if place[0] == "source" else "send"
    assert callable(getattr(loaded, method))


def test_an_unknown_name_is_answered_with_the_nearest_of_its_role() -> None:
    with pytest.raises(ConfigError, match="no source is called 'parket'; did you mean 'parquet'"):
        find("source", "parket")
    with pytest.raises(ConfigError, match="there are jsonl, kafka, memory, stdout, webhook"):
        find("sink", "qqqq")


def test_a_missing_extra_is_named() -> None:
    entry = Entry("x", "source", "no_such_package.x:Y", "nothing", extra="kafka")
    with pytest.raises(ConfigError, match=r"pip install 'tocsin\[kafka\]'"):
        entry.load()


def test_importing_the_catalogue_brings_in_nothing_heavy() -> None:
    heavy = "{'numpy', 'pandas', 'pyarrow', 'psutil', 'httpx', 'PIL', 'kafka', 'orjson'}"
    code = f"import sys, tocsin.connectors.catalogue; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
