import os
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tocsin.connectors.image_folder import ImageFolder
from tocsin.connectors.memory import MemoryDesk
from tocsin.pipeline.errors import SourceError
from tocsin.pipeline.ports import Reading

NOON = 1_700_000_000


def save(path: Path, grey: int = 128, size: tuple[int, int] = (6, 4), mode: str = "L") -> Path:
    """Write an image of one grey; `size` is width and height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, grey).convert(mode).save(path)
    return path


def readings(source: ImageFolder, after: int | None = None) -> list[Reading]:
    desk = MemoryDesk({} if after is None else {source.path.name: after})
    return [reading for reading in source.read(desk) if reading is not None]


def rows(source: ImageFolder, after: int | None = None) -> list[tuple[str, int, float]]:
    return [
        (name, int(time) // 10**9, round(float(frame.mean()) * 255))
        for r in readings(source, after)
        for name, time, frame in zip(r.series, r.time, r.values, strict=True)
    ]


@dataclass
class ScriptClock:
    """A clock whose every wait runs the next step of a script."""

    steps: list[Callable[[], object]] = field(default_factory=list)
    moment: int = (NOON + 10**6) * 10**9

    def now(self) -> int:
        return self.moment

    def elapsed(self) -> float:
        return 0.0

    def wait(self, seconds: float) -> None:
        assert 0 < seconds < 1
        if self.steps:
            self.steps.pop(0)()


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    folder = tmp_path / "cam"
    for i in (2, 0, 1):
        save(folder / f"{NOON + i}.png", grey=10 * i)
    return folder


def test_frames_come_in_time_order_grey_from_0_to_1(camera: Path) -> None:
    source = ImageFolder(camera)
    assert rows(source) == [("cam", NOON, 0), ("cam", NOON + 1, 10), ("cam", NOON + 2, 20)]
    assert source.spec().item == (4, 6)
    (reading,) = readings(source)
    assert reading.values.shape == (3, 4, 6)
    assert reading.values.dtype == np.float64


@pytest.mark.parametrize("size", [1, 2, 9])
def test_frames_do_not_depend_on_the_batch_size_and_resume(camera: Path, size: int) -> None:
    everything = rows(ImageFolder(camera))
    for after in range(4):
        assert rows(ImageFolder(camera, rows=size), after) == everything[after:]


@pytest.mark.parametrize(
    "name",
    [
        "20231114T221320.png",
        "cam_2023-11-14_22-13-20.png",
        "a-20231114-221320.5.png",
        f"{NOON}000.png",
        f"x{NOON}000000000y.png",
    ],
)
def test_the_time_is_in_the_name(tmp_path: Path, name: str) -> None:
    save(tmp_path / "cam" / name)
    assert rows(ImageFolder(tmp_path / "cam"))[0][1] == NOON


def test_a_name_without_time_has_the_time_of_its_last_change(tmp_path: Path) -> None:
    path = save(tmp_path / "cam" / "frame-0001.png")
    os.utime(path, ns=(0, 12_345 * 10**9))
    assert rows(ImageFolder(tmp_path / "cam"))[0][1] == 12_345


def test_names_without_zone_are_local(tmp_path: Path) -> None:
    save(tmp_path / "cam" / "20231114T231320.png")
    assert rows(ImageFolder(tmp_path / "cam", zone="Europe/Berlin"))[0][1] == NOON


def test_folders_below_are_series(tmp_path: Path) -> None:
    save(tmp_path / "cam" / "north" / f"{NOON}.png")
    save(tmp_path / "cam" / "south" / "door" / f"{NOON}.jpg")
    assert [row[0] for row in rows(ImageFolder(tmp_path / "cam"))] == ["north", "south/door"]


def test_other_shapes_and_broken_files_are_dead_letters_with_their_bytes(camera: Path) -> None:
    (camera / f"{NOON + 3}.png").write_bytes(b"\x89PNG no image")
    save(camera / f"{NOON + 4}.png", size=(3, 3))
    source = ImageFolder(camera, rows=2)
    letters = [letter for reading in readings(source) for letter in reading.rejected]
    assert [letter.position for letter in letters] == [3, 4]
    assert letters[0].value == b"\x89PNG no image"
    assert "no image that can be read" in letters[0].reason
    assert "3 x 3, wanted (4, 6)" in letters[1].reason
    assert len(rows(source)) == 3


@pytest.mark.parametrize(("mode", "suffix"), [("RGB", "bmp"), ("P", "png"), ("L", "tif")])
def test_colour_and_palette_images_become_grey(tmp_path: Path, mode: str, suffix: str) -> None:
    save(tmp_path / "cam" / f"{NOON}.{suffix}", grey=200, mode=mode)
    assert abs(rows(ImageFolder(tmp_path / "cam"))[0][2] - 200) <= 1


def test_sixteen_bits_are_kept(tmp_path: Path) -> None:
    pixels = np.array([[1, 65535]], dtype=np.uint16)
    Image.fromarray(pixels).save(tmp_path / f"{NOON}.png")
    (reading,) = readings(ImageFolder(tmp_path))
    assert reading.values[0].tolist() == [[1 / 65535, 1.0]]


def test_followed_folders_give_new_images_and_refuse_late_ones(camera: Path) -> None:
    clock = ScriptClock(
        [
            lambda: save(camera / f"{NOON + 5}.png", grey=50),
            lambda: save(camera / f"{NOON - 5}.png"),
            lambda: save(camera / f"{NOON + 6}.png", grey=60),
        ]
    )
    source = ImageFolder(camera, follow=True, clock=clock)
    got = list(islice(source.read(MemoryDesk()), 7))
    assert [None if r is None else (len(r.time), r.position) for r in got] == [
        (3, 3), None, (1, 4), (0, 5), None, (1, 6), None,
    ]  # fmt: skip
    assert got[3] is not None
    (late,) = got[3].rejected
    assert (late.stage, late.position) == ("order", (NOON - 5) * 10**9)


def test_an_image_that_is_still_being_written_is_waited_for(camera: Path) -> None:
    path = camera / f"{NOON + 5}.png"
    clock = ScriptClock()

    def start() -> None:
        path.write_bytes(b"half")
        os.utime(path, ns=(clock.moment, clock.moment))

    def finish() -> None:
        save(path)
        os.utime(path, ns=(0, 0))

    clock.steps = [start, finish]
    got = list(islice(ImageFolder(camera, follow=True, clock=clock).read(MemoryDesk()), 4))
    assert got[1:3] == [None, None]
    assert got[3] is not None
    assert len(got[3].time) == 1


def test_folders_that_cannot_be_read_are_source_errors(tmp_path: Path, camera: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        ImageFolder(tmp_path / "none").spec()
    with pytest.raises(SourceError, match="is no folder"):
        ImageFolder(camera / f"{NOON}.png").spec()
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no image that can be read"):
        ImageFolder(tmp_path / "empty").spec()
    with pytest.raises(SourceError, match="images were removed"):
        readings(ImageFolder(camera), 4)
