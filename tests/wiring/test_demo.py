from pathlib import Path

import pytest

from tocsin.commands.demo import demo, the_plant


def test_the_plant_has_two_faults_of_each_kind_after_the_warm_up() -> None:
    plant = the_plant(seed=3)
    kinds = [fault.kind for fault in plant.faults]
    assert sorted(kinds) == sorted(2 * list(dict.fromkeys(kinds)))
    assert len(kinds) == 14
    assert min(fault.start_tick for fault in plant.faults) >= 2880


def test_the_plant_takes_the_seconds_it_is_given() -> None:
    plant = the_plant(seed=0, seconds=30)
    assert plant.ticks is not None
    assert plant.ticks * plant.tick_ns / 1e9 / plant.speed == pytest.approx(30)


@pytest.mark.slow
def test_the_demo_finds_most_faults_within_its_budget(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    demo(5, tmp_path, 0, show=False)
    said = capsys.readouterr().out
    assert "▲ open" in said
    assert "▽ resolved" in said
    assert "Within the budget." in said
    (total,) = [line.split() for line in said.splitlines() if line.startswith("all ")]
    planted, found = int(total[1]), int(total[2])
    assert planted == 14
    assert found >= 11
    assert (tmp_path / "demo.png").read_bytes().startswith(b"\x89PNG")
    assert "planted faults found" in (tmp_path / "demo.html").read_text(encoding="utf-8")
