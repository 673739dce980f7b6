"""Windows are put in units and their holes bridged; augmentations and plans say what they do."""

import numpy as np
import pytest

from tocsin.detectors.signature.augment import augmented, letters
from tocsin.detectors.signature.features import features, plan
from tocsin.detectors.signature.group import log_signature
from tocsin.detectors.signature.kernel import signatures
from tocsin.detectors.signature.windows import centre_and_scale, ready
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray

NAN, INF = np.nan, np.inf


def one(values: list[float], centre: float = 0.0, scale: float = 1.0) -> list[float]:
    """One channel's window made ready."""
    window = np.array(values)[None, :, None]
    paths, _ = ready(window, len(values), np.array([[centre]]), np.array([[scale]]))
    found: list[float] = paths[0, :, 0].tolist()
    return found


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([1, NAN, NAN, 4], [1, 2, 3, 4]),
        ([NAN, 2, 3, NAN], [2, 2, 3, 3]),
        ([1, INF, -INF, 4], [1, 2, 3, 4]),
        ([NAN, NAN, NAN, NAN], [0, 0, 0, 0]),
    ],
)
def test_holes_are_bridged_and_ends_held(given: list[float], wanted: list[float]) -> None:
    assert one(given) == pytest.approx(wanted)


def test_a_channel_that_never_moved_counts_by_sides() -> None:
    assert one([5.0, 5.0, 5.1, -900.0], centre=5.0, scale=0.0) == [0.0, 0.0, 1.0, -1.0]


def test_a_channel_that_was_never_seen_stands_at_its_centre() -> None:
    assert one([5.0, 6.0], scale=NAN) == [0.0, 0.0]


def test_only_the_newest_frames_count_and_a_missing_newest_is_told() -> None:
    values = np.array([[[9.0], [1.0], [2.0]], [[9.0], [1.0], [NAN]]])
    paths, known = ready(values, 2, np.zeros((2, 1)), np.ones((2, 1)))
    assert paths[:, :, 0].tolist() == [[1.0, 2.0], [1.0, 1.0]]
    assert known.tolist() == [True, False]


def test_units_are_robust_and_know_flat_and_empty_channels() -> None:
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.normal(5, 2, 4000), np.full(4000, 0.1), np.full(4000, NAN)])
    rows[:200, 0] = 1e6
    centre, scale = centre_and_scale(rows)
    assert centre[0] == pytest.approx(5, abs=0.3)
    assert scale[0] == pytest.approx(2, rel=0.15)
    assert (centre[1], scale[1]) == (0.1, 0.0)
    assert np.isnan(scale[2])


def test_a_channel_that_seldom_moves_has_its_standard_deviation() -> None:
    rows = np.zeros((100, 1))
    rows[::20] = 1.0
    assert centre_and_scale(rows)[1][0] == pytest.approx(rows.std())


def path(*points: tuple[float, ...]) -> FloatArray:
    return np.array([points], dtype=np.float64)


def test_each_augmentation_does_what_it_says() -> None:
    given = path((5,), (7,), (6,))
    assert augmented(given, ["time"])[0].tolist() == [[0, 5], [0.5, 7], [1, 6]]
    lead = augmented(given, ["lead_lag"])[0].tolist()
    assert lead == [[5, 5], [7, 5], [7, 7], [6, 7], [6, 6]]
    assert augmented(given, ["basepoint"])[0].tolist() == [[0], [5], [7], [6]]
    reset = augmented(given, ["reset"])[0].tolist()
    assert reset == [[5, 1], [7, 1], [6, 1], [6, 0], [0, 0]]
    assert augmented(given, ["cumulative"])[0].tolist() == [[5], [12], [18]]


@pytest.mark.parametrize("names", [["lead_lag", "time", "reset"], ["time", "lead_lag"], []])
def test_letters_name_the_channels_of_the_augmented_path(names: list[str]) -> None:
    given = np.random.default_rng(1).standard_normal((1, 6, 2))
    moved = given.copy()
    moved[:, :, 1] += 1.0
    differs = (augmented(given, names) != augmented(moved, names)).any(axis=(0, 1))
    np.testing.assert_array_equal(differs, letters(2, names) == 1)


def test_an_unknown_augmentation_is_refused() -> None:
    with pytest.raises(ConfigError, match="'leadlag'"):
        augmented(path((1.0,)), ["leadlag"])


def test_the_area_of_lead_and_lag_is_the_quadratic_variation() -> None:
    given = np.random.default_rng(2).standard_normal((1, 30, 1))
    found = signatures(augmented(given, ["lead_lag"]), 2)[0]
    area = found[3] - found[4]  # the words (0, 1) and (1, 0)
    assert area == pytest.approx((np.diff(given[0, :, 0]) ** 2).sum())


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6, 10, 20, 38, 60])
def test_plans_keep_the_bound_and_describe_as_many_numbers_as_they_say(channels: int) -> None:
    how = plan(channels, ("lead_lag", "time", "basepoint"), 0, 96)
    paths = np.random.default_rng(3).standard_normal((4, 8, channels))
    found = features(how, paths)
    assert found.shape == (4, how.size())
    assert how.size() <= 96
    np.testing.assert_allclose(how.shares().sum(axis=1), 1.0)
    assert how.shares().shape == (how.size(), channels)


def test_a_plan_of_joint_log_signatures_leaves_out_time_alone() -> None:
    how = plan(3, ("time",), 2, 10)
    assert (how.form, how.depth) == ("log", 2)
    paths = np.random.default_rng(4).standard_normal((5, 8, 3))
    whole = log_signature(signatures(augmented(paths, ("time",)), 2), 4, 2)
    np.testing.assert_array_equal(features(how, paths), whole[:, 1:])  # the first is of time


def test_channels_apart_do_not_see_each_other() -> None:
    how = plan(30, ("time",), 0, 96)
    assert how.form == "apart"
    paths = np.random.default_rng(5).standard_normal((2, 8, 30))
    moved = paths.copy()
    moved[:, :, 7] *= 2.0
    differs = (features(how, paths) != features(how, moved)).any(axis=0)
    np.testing.assert_array_equal(differs, how.shares()[:, 7] > 0)
