"""Images of a folder in time order, as frames."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from tocsin.connectors.clocks import Clock, SystemClock
from tocsin.connectors.times import parse_times
from tocsin.pipeline.errors import SourceError
from tocsin.pipeline.incidents import DeadLetter
from tocsin.pipeline.ports import Desk, Reading
from tocsin.pipeline.types import FloatArray, Spec

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})

_IDLE_S = 0.5
_SETTLED_NS = 1_000_000_000
_DATE = re.compile(
    r"(?<!\d)(\d{4})-?(\d\d)-?(\d\d)[T_ -](\d\d)[-:_]?(\d\d)[-:_]?(\d\d)(?:[.,](\d{1,9}))?(?!\d)"
)
_EPOCH = re.compile(r"(?<!\d)(\d{10}|\d{13}|\d{16}|\d{19})(?!\d)")

_Place = tuple[int, str]  # time in nanoseconds and path below the folder: the order of frames


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """Grey frames (H, W), 0 to 1, of the PNG, JPEG, BMP and TIFF files under a folder.

    The order is that of time, then of path. An image's time is in its file's name, as in
    `cam-20261122T101500.png` (in `zone`) or as digits of s, ms, us or ns since 1970; a file without
    one has the time it was last changed. Each sub-folder is a series of its own, named by its path;
    images that lie in the folder itself are of the series with the folder's name.

    All frames have one shape: `shape`, or that of the first image that can be read. Another shape,
    and a file that is no image, is a dead letter with the file's bytes. Colours become their
    luminance (ITU-R 601); 16-bit images keep their depth.

    Positions count images in order, so images that were read must stay while the state is kept.
    With `follow`, new images are waited for, until they have not changed for a second; one that
    sorts before the last one read came too late and is a dead letter of stage "order". `rows` is
    the most frames a reading has.

    Raises SourceError for a folder that is missing or no folder, and for one without an image that
    can be read where no `shape` is given.
    """

    path: Path
    follow: bool = False
    rows: int = 16
    shape: tuple[int, int] | None = None
    zone: str = "UTC"
    part: str = ""
    clock: Clock = field(default=SystemClock(), compare=False)

    def spec(self) -> Spec:
        return Spec(item=self._shape(self._places()))

    def read(self, desk: Desk) -> Iterator[Reading | None]:
        part = self.part or self.path.resolve().name
        places = self._places()
        shape = self._shape(places)
        place = desk.claim(part) or 0
        if place > len(places):
            raise SourceError(
                f"{self.path} has {len(places)} images and reading was to go on after {place}: "
                f"images were removed; reset the saved state to read it afresh"
            )
        while True:
            while place < len(places):
                some = places[place : place + self.rows]
                yield self._reading(part, place, some, shape)
                place += len(some)
            if not self.follow:
                return
            self.clock.wait(_IDLE_S)
            newer = self._places(settled=True)
            late = _late(places, newer)
            place = bisect_right(newer, places[-1]) if places else 0
            places = newer
            yield self._refused(part, place, late, shape) if late else None

    def commit(self, positions: Mapping[str, int]) -> None:
        pass

    def close(self) -> None:
        pass

    def _places(self, *, settled: bool = False) -> list[_Place]:
        """All images in order; `settled` leaves out those that may still be written to."""
        if not self.path.is_dir():
            what = "is no folder" if self.path.exists() else "does not exist"
            raise SourceError(f"{self.path} {what}; wanted a folder of images")
        found = [
            path
            for path in self.path.rglob("*")
            if path.suffix.lower() in SUFFIXES and path.is_file()
        ]
        if settled:
            now = self.clock.now()
            found = [path for path in found if not 0 <= now - path.stat().st_mtime_ns < _SETTLED_NS]
        return sorted((self._time(path), str(path.relative_to(self.path))) for path in found)

    def _time(self, path: Path) -> int:
        raw: object = None
        if match := _DATE.search(path.stem):
            year, month, day, hour, minute, second, part = match.groups()
            raw = f"{year}-{month}-{day}T{hour}:{minute}:{second}" + (f".{part}" if part else "")
        elif match := _EPOCH.search(path.stem):
            raw = int(match[1])
        times, bad = parse_times([raw], zone=self.zone)
        return path.stat().st_mtime_ns if bad else int(times[0])

    def _shape(self, places: Sequence[_Place]) -> tuple[int, int]:
        if self.shape is not None:
            return self.shape
        for _, name in places:
            frame = _load(self.path / name)
            if not isinstance(frame, str):
                return frame.shape[0], frame.shape[1]
        raise SourceError(
            f"{self.path} has no image that can be read among {len(places)} files; wanted "
            f"{', '.join(sorted(SUFFIXES))}, or a declared shape"
        )

    def _reading(
        self, part: str, first: int, places: Sequence[_Place], shape: tuple[int, int]
    ) -> Reading:
        frames: list[FloatArray] = []
        kept: list[int] = []
        letters: list[DeadLetter] = []
        for i, (_, name) in enumerate(places):
            frame = _load(self.path / name)
            if not isinstance(frame, str) and frame.shape != shape:
                frame = f"the image is {frame.shape[0]} x {frame.shape[1]}, wanted {shape}"
            if isinstance(frame, str):
                letters.append(self._letter(part, first + i, name, frame))
            else:
                frames.append(frame)
                kept.append(i)
        return Reading(
            part=part,
            position=first + len(places),
            series=[self._series(places[i][1]) for i in kept],
            time=np.array([places[i][0] for i in kept], dtype=np.int64),
            values=np.array(frames).reshape(-1, *shape),  # (B, H, W)
            offset=np.array([first + i for i in kept], dtype=np.int64),
            rejected=letters,
        )

    def _series(self, name: str) -> str:
        parent = Path(name).parent.as_posix()
        return self.path.resolve().name if parent == "." else parent

    def _refused(
        self, part: str, position: int, late: Sequence[_Place], shape: tuple[int, int]
    ) -> Reading:
        """A reading without rows: images that came after later ones had been read."""
        reason = "the image came after later ones had been read"
        # Named by its time: its index was that of another image before it came.
        letters = [
            replace(self._letter(part, time, name, reason), index=i, stage="order")
            for i, (time, name) in enumerate(late)
        ]
        nothing = np.empty(0, dtype=np.int64)
        return Reading(
            part, position, [], nothing, np.empty((0, *shape)), nothing, rejected=letters
        )

    def _letter(self, part: str, position: int, name: str, reason: str) -> DeadLetter:
        path = self.path / name
        value = path.read_bytes() if path.is_file() else None
        headers = (("file", name.encode()),)
        return DeadLetter(part, position, 0, f"{name}: {reason}", "decode", value, headers=headers)


def _late(old: Sequence[_Place], new: Sequence[_Place]) -> list[_Place]:
    """New images that sort before the last old one."""
    if not old:
        return []
    known = set(old)
    return [place for place in new if place < old[-1] and place not in known]


def _load(path: Path) -> FloatArray | str:
    """The grey frame (H, W) of an image file, or why there is none."""
    try:
        with Image.open(path) as image:
            deep = image.mode.startswith("I")
            grey = np.asarray(image if deep else image.convert("L"), dtype=np.float64)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return f"no image that can be read: {error}"
    return np.clip(grey / (65535.0 if deep else 255.0), 0.0, 1.0)
