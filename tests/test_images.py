"""Cameras go the way of sensors: a folder of frames through the very same pipeline."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image

from tocsin.connectors.image_folder import ImageFolder
from tocsin.detectors.images.block_dct import BlockDct
from tocsin.pipeline.chain import Chain
from tocsin.pipeline.delivery import Delivery
from tocsin.pipeline.runner import run
from tocsin.pipeline.store import Store
from tocsin.pipeline.threshold import AlertBudget

FRAMES, STAINED = 320, range(300, 306)


def take_pictures(folder: Path) -> None:
    """Two cameras, a frame a minute; on the first a stain covers rows 16-23, columns 24-39."""
    rng = np.random.default_rng(0)
    part = np.add.outer(np.linspace(60, 180, 40), np.linspace(0, 60, 56))
    for camera in ("left", "right"):
        (folder / camera).mkdir()
        for minute in range(FRAMES):
            frame = part + rng.normal(0, 3, part.shape)
            if camera == "left" and minute in STAINED:
                frame[16:24, 24:40] -= 50
            when = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
            picture = Image.fromarray(frame.clip(0, 255).astype(np.uint8))
            picture.save(folder / camera / f"{when:%Y%m%dT%H%M%S}.png")


def test_a_stain_on_one_camera_is_one_incident_that_says_where(tmp_path: Path) -> None:
    take_pictures(tmp_path)
    source = ImageFolder(tmp_path)
    chain = Chain(source.spec(), BlockDct(), threshold=AlertBudget("1/day/camera"))
    with Store(None) as store:
        summary = run(chain, source, store, Delivery({}))
        (incident,) = store.incidents()
    assert summary.rows == 2 * FRAMES
    assert (incident.series, incident.state, incident.rows) == ("left", "resolved", len(STAINED))
    ((box, share),) = incident.channels
    assert box == "rows 16-23, columns 24-39"
    assert share > 0.7
