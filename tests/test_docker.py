"""The image and the Compose file, as far as reading them can tell: no engine is needed."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tocsin.connectors.plant import CHANNELS

ROOT = Path(__file__).resolve().parents[1]
DOCKER = ROOT / "docker"
OURS = ("plant", "pipeline")
IN_VOLUME = "/var/lib/tocsin"


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and what follows each, continued lines joined."""
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    return [
        (line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()
    ]


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    start = max(index for index, (word, _) in enumerate(found) if word == "FROM")
    return found[start:]


def given(word: str) -> str:
    """What the one instruction of that kind in the last stage says."""
    (text,) = [text for each, text in last_stage() if each == word]
    return text


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
    return found


def settings() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DOCKER / "pipeline.yaml").read_text(encoding="utf-8"))
    return found


def broker() -> dict[str, str]:
    found: dict[str, str] = compose()["services"]["kafka"]["environment"]
    return found


def listeners(name: str) -> dict[str, str]:
    """A listener setting as name to address."""
    return dict(part.split("://", 1) for part in broker()[name].split(","))


def tocsin(*words: str) -> subprocess.CompletedProcess[str]:
    plain = {"_TYPER_FORCE_DISABLE_TERMINAL": "1", "COLUMNS": "200"}  # no colour inside words
    return subprocess.run(
        [sys.executable, "-m", "tocsin", *words],
        check=False,
        env=os.environ | plain | {"KAFKA": "kafka:19092"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def health(folder: Path, seconds: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(DOCKER / "healthcheck.py"), str(folder), str(seconds)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_the_image_does_not_run_as_root() -> None:
    assert given("USER") == "10001:10001"
    words = [word for word, _ in last_stage()]
    assert "RUN" not in words[words.index("USER") :]


def test_the_image_starts_tocsin_and_watches_its_health() -> None:
    assert given("ENTRYPOINT") == '["tocsin"]'
    assert "/opt/tocsin/healthcheck.py" in given("HEALTHCHECK")


def test_the_image_writes_to_its_volume_or_to_tmp() -> None:
    assert given("VOLUME") == f'["{IN_VOLUME}"]'
    written = dict(re.findall(r"(NUMBA_CACHE_DIR|MPLCONFIGDIR)=(\S+)", given("ENV")))
    assert len(written) == 2
    assert all(path.startswith((f"{IN_VOLUME}/", "/tmp/")) for path in written.values())


def test_the_image_holds_the_tested_versions() -> None:
    (install,) = [text for word, text in instructions() if word == "RUN" and "pip install" in text]
    assert "-c constraints.txt" in install


def test_what_the_image_copies_is_there_and_sent_to_the_engine() -> None:
    sent = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [text.split()[:-1] for word, text in instructions() if word == "COPY"]
    sources = [source for words in copied if not words[0].startswith("--") for source in words]
    assert sources
    for source in sources:
        assert (ROOT / source).exists()
        assert source == "." or f"!{Path(source).parts[0]}" in sent


def test_all_that_the_build_needs_is_sent_to_the_engine() -> None:
    sent = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    needed = {"pyproject.toml", "README.md", "LICENSE", "constraints.txt", "tocsin", "pipeline"}
    assert {f"!{name}" for name in needed | {"detectors", "connectors", "evaluation"}} <= set(sent)


@pytest.mark.parametrize("name", OURS)
def test_our_containers_have_a_read_only_root_and_no_privileges(name: str) -> None:
    service = compose()["services"][name]
    assert service["read_only"] is True
    assert "/tmp" in service["tmpfs"]
    assert service["cap_drop"] == ["ALL"]
    assert {"privileged", "user"} & set(service) == set()


def test_state_outlives_the_container() -> None:
    mounts = dict(mount.split(":")[:2] for mount in compose()["services"]["pipeline"]["volumes"])
    assert mounts["state"] == IN_VOLUME
    assert "state" in compose()["volumes"]
    assert settings()["state"]["dir"].startswith(f"{IN_VOLUME}/")


def test_the_broker_needs_no_zookeeper() -> None:
    assert set(broker()["KAFKA_PROCESS_ROLES"].split(",")) == {"broker", "controller"}
    assert not any("zookeeper" in name.lower() for name in (*compose()["services"], *broker()))


def test_the_broker_votes_for_itself() -> None:
    port = listeners("KAFKA_LISTENERS")[broker()["KAFKA_CONTROLLER_LISTENER_NAMES"]]
    assert broker()["KAFKA_CONTROLLER_QUORUM_VOTERS"] == f"{broker()['KAFKA_NODE_ID']}@kafka{port}"


def test_every_listener_has_a_protocol_and_clients_find_theirs() -> None:
    protocols = dict(
        p.split(":") for p in broker()["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
    )
    controller = broker()["KAFKA_CONTROLLER_LISTENER_NAMES"]
    assert set(listeners("KAFKA_LISTENERS")) == set(protocols)
    assert set(listeners("KAFKA_ADVERTISED_LISTENERS")) == set(protocols) - {controller}
    inside = listeners("KAFKA_ADVERTISED_LISTENERS")[broker()["KAFKA_INTER_BROKER_LISTENER_NAME"]]
    assert compose()["services"]["pipeline"]["environment"]["KAFKA"] == inside
    assert inside in compose()["services"]["plant"]["command"]


def test_the_broker_is_not_open_to_the_network() -> None:
    assert all(port.startswith("127.0.0.1:") for port in compose()["services"]["kafka"]["ports"])


def test_files_that_compose_names_are_there() -> None:
    for service in compose()["services"].values():
        if "build" in service:
            context = (DOCKER / service["build"]["context"]).resolve()
            assert (context / service["build"]["dockerfile"]).is_file()
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            assert (
                (DOCKER / source).is_file()
                if source.startswith(".")
                else source in compose()["volumes"]
            )


def test_every_topic_in_use_is_made() -> None:
    (script,) = compose()["services"]["topics"]["command"]
    made = {word.partition(":")[0] for word in re.findall(r"[\w-]+:\d+", script)} - {"kafka"}
    used = {source["topic"] for source in settings()["sources"].values()}
    used |= {sink["topic"] for sink in settings()["sinks"].values() if sink["type"] == "kafka"}
    used |= {settings()["dead_letters"]["topic"]}
    assert made == used
    assert compose()["services"]["plant"]["command"][-1] in made


def test_the_pipeline_reads_what_the_plant_writes() -> None:
    (source,) = settings()["sources"].values()
    assert tuple(source["channels"]) == CHANNELS


def test_the_configuration_is_valid() -> None:
    done = tocsin("validate", str(DOCKER / "pipeline.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", OURS)
def test_every_container_runs_a_command_that_there_is(name: str) -> None:
    command, *options = compose()["services"][name]["command"]
    done = tocsin(command, "--help")
    assert done.returncode == 0, done.stderr
    assert all(option in done.stdout for option in options if option.startswith("--"))


def test_fresh_state_is_healthy(tmp_path: Path) -> None:
    (tmp_path / "store.db").touch()
    assert health(tmp_path, 60).returncode == 0


def test_state_that_grows_old_is_not_healthy(tmp_path: Path) -> None:
    (tmp_path / "store.db").touch()
    os.utime(tmp_path / "store.db", (1, 1))
    done = health(tmp_path, 60)
    assert done.returncode == 1
    assert "at most 60 s wanted" in done.stderr


def test_no_state_is_not_healthy(tmp_path: Path) -> None:
    done = health(tmp_path / "nothing", 60)
    assert done.returncode == 1
    assert "no state has been written" in done.stderr


def test_the_metrics_of_the_pipeline_are_published_on_this_machine_alone() -> None:
    port = settings()["server"]["listen"].rpartition(":")[2]
    assert compose()["services"]["pipeline"]["ports"] == [f"127.0.0.1:{port}:{port}"]
    (install,) = [text for word, text in instructions() if word == "RUN" and "pip install" in text]
    assert "metrics" in re.findall(r"'\.\[([a-z,]+)\]'", install)[0].split(",")
