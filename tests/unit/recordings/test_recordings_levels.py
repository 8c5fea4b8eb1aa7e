"""Rates go down without folding, frames carry what was recorded, and what makes levels doubtful is seen."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from iqstream.recordings import Given, Recording, open_recordings
from iqstream.recordings.datatype import parse_datatype
from iqstream.recordings.downsample import PASS_SHARE, STOP_DB, plan_downsampling
from iqstream.recordings.levels import find_doubts, level_of, mean_of, power_dbfs, without_dc
from iqstream.recordings.windows import windows_of
from iqstream.recordings.wire import WireSamples, as_ci16, as_recorded

SECOND_NS = 10**9
STEPS = {"ci8": "i1", "ci16_le": "<i2", "cf32_le": "<f4"}


def recorded(folder: Path, iq: np.ndarray, *, datatype: str = "cf32_le", **facts: object) -> Recording:
    """Complex samples (n,), or components of the datatype (n, 2)."""
    path = folder / f"rx.{datatype}"
    path.write_bytes(iq.astype("<c8").tobytes() if np.iscomplexobj(iq) else iq.tobytes())
    said = {"sample_rate_hz": 240_000.0, "center_frequency_hz": 433.92e6, "started_at_ns": 0, **facts}
    (recording,) = open_recordings([path], Given(datatype=datatype, **said)).recordings  # type: ignore[arg-type]
    return recording


def carried(wire: WireSamples) -> np.ndarray:
    """Complex samples as a frame's reader has them, in sqrt(mW)."""
    pairs = np.frombuffer(wire.iq, STEPS[wire.datatype]).reshape(-1, 2).astype(float) * wire.scale
    return pairs[:, 0] + 1j * pairs[:, 1]


@pytest.mark.parametrize(("rate_hz", "wanted_hz"), [(240_000.0, 48_000.0), (250_000.0, 48_000.0), (48e3, 44.1e3)])
def test_nothing_folds_into_the_band_and_the_band_is_not_changed(
    tmp_path: Path, rate_hz: float, wanted_hz: float
) -> None:
    """A tone at each of 81 offsets: in the pass band it keeps amplitude and phase, beyond half the rate it is gone."""
    plan = plan_downsampling(rate_hz, wanted_hz)
    assert plan.new_rate_hz == pytest.approx(wanted_hz, rel=1e-9)
    total = round(0.35 * rate_hz)
    time = np.arange(total) / rate_hz
    worst_pass_db, worst_stop_db = 0.0, -300.0
    for offset_hz in np.linspace(-rate_hz / 2, rate_hz / 2, 81):
        share = abs(offset_hz) / plan.new_rate_hz
        tone = np.exp(2j * np.pi * offset_hz * time)
        recording = recorded(tmp_path, tone, sample_rate_hz=rate_hz)
        window = next(windows_of(recording, 10**8, plan.context_samples))
        low = plan.read(window)
        assert len(low) == int(plan.new_rate_hz * 0.1 + 1e-9)
        if share <= PASS_SHARE:
            at = (window.first_sample / rate_hz) + np.arange(len(low)) / plan.new_rate_hz
            gain = np.vdot(np.exp(2j * np.pi * offset_hz * at), low) / len(low)
            worst_pass_db = max(worst_pass_db, abs(20 * np.log10(abs(gain))))
            assert abs(np.angle(gain)) < 1e-4  # no delay: the first sample is of the window's time
        elif share >= 0.5:
            worst_stop_db = max(worst_stop_db, power_dbfs(low))
    assert worst_pass_db < 0.01
    assert worst_stop_db < -STOP_DB


def test_windows_without_context_are_left_out_and_a_rate_goes_down_only(tmp_path: Path) -> None:
    plan = plan_downsampling(240_000, 48_000)
    recording = recorded(tmp_path, np.zeros(240_000, np.complex64))
    assert len(list(windows_of(recording, 10**8))) == 10
    assert [w.grid_index for w in windows_of(recording, 10**8, plan.context_samples)] == list(range(1, 9))
    for wanted_hz in (240_001, 1e9, 100, 0, -1, float("nan")):
        with pytest.raises(ValueError, match="Hz"):
            plan_downsampling(240_000, wanted_hz)
    same = plan_downsampling(240_000, 240_000)
    assert same.new_rate_hz == 240_000
    assert same.context_samples == 0


def test_every_byte_of_an_rtl_dongle_goes_as_itself_less_128(tmp_path: Path) -> None:
    raw = np.repeat(np.arange(256, dtype=np.uint8), 2).reshape(-1, 2)
    recording = recorded(tmp_path, raw, datatype="cu8", sample_rate_hz=256.0)
    (window,) = windows_of(recording, SECOND_NS)
    wire = as_recorded(window)
    assert wire.datatype == "ci8"
    np.testing.assert_array_equal(np.frombuffer(wire.iq, np.int8).reshape(-1, 2), raw.astype(int) - 128)
    np.testing.assert_allclose(carried(wire), window.read(), atol=1e-12)


def test_the_zero_of_an_rtl_dongle_is_half_a_step_of_dc_and_detection_has_none_of_it(tmp_path: Path) -> None:
    """Noise around 127.5, as the converter gives it: DC of -0.5/128 in I and Q, -45.2 dBFS."""
    rng = np.random.default_rng(5)
    raw = np.clip(np.floor(rng.normal(128.0, 12.0, (240_000, 2))), 0, 255).astype(np.uint8)
    recording = recorded(tmp_path, raw, datatype="cu8")
    assert recording.dc_of_device
    iq = recording.read(0, 240_000)
    standard_error = 12 / 128 / np.sqrt(240_000)
    assert abs(mean_of(iq) - (-0.5 - 0.5j) / 128) < 5 * standard_error
    assert 20 * np.log10(abs(mean_of(iq))) == pytest.approx(-45.2, abs=0.5)
    assert abs(mean_of(without_dc(recording, iq))) < 1e-6


def test_a_carrier_in_the_centre_stays_where_the_receiver_has_no_dc_of_its_own(tmp_path: Path) -> None:
    recording = recorded(tmp_path, np.full(1000, 0.5, np.complex64))
    iq = recording.read(0, 1000)
    np.testing.assert_array_equal(without_dc(recording, iq), iq)
    assert find_doubts(recording.storage.read_raw(0, 1000), recording.storage.datatype).dc_dominates
    assert abs(mean_of(without_dc(replace(recording, dc_of_device=True), iq))) < 1e-6


@pytest.mark.parametrize(
    "datatype", ["ci8", "ci16_le", "ci16_be", "cf32_le", "cf32_be", "cf64_le", "cu16_le", "ci32_be"]
)
@pytest.mark.parametrize("dbm", [None, -30.0])
def test_frames_carry_levels_by_the_calibration_or_0_dbfs_as_0_dbm(
    tmp_path: Path, datatype: str, dbm: float | None
) -> None:
    kind = parse_datatype(datatype)
    tone = 0.5 * np.exp(2j * np.pi * 0.01 * np.arange(1000))
    values = np.stack([tone.real, tone.imag], axis=1) * kind.full_scale + kind.zero
    raw = (values if kind.full_scale == 1 else np.rint(values)).astype(kind.component)
    recording = recorded(tmp_path, raw, datatype=datatype, sample_rate_hz=1000.0, dbm_at_full_scale=dbm)
    assert level_of(recording) == ((0.0, "dbfs") if dbm is None else (-30.0, "dbm"))
    (window,) = windows_of(recording, SECOND_NS)
    power_dbm = 10 * np.log10(np.mean(np.abs(carried(as_recorded(window))) ** 2))
    assert power_dbm == pytest.approx((dbm or 0.0) - 6.02, abs=0.1 if datatype == "ci8" else 0.01)
    resampled = carried(as_ci16(recording, window.read()))
    assert 10 * np.log10(np.mean(np.abs(resampled) ** 2)) == pytest.approx(power_dbm, abs=0.05)


def test_floats_without_a_calibration_go_bit_for_bit(tmp_path: Path) -> None:
    raw = np.random.default_rng(1).normal(0, 1, (1000, 2)).astype("<f4")
    recording = recorded(tmp_path, raw, sample_rate_hz=1000.0)
    (window,) = windows_of(recording, SECOND_NS)
    assert as_recorded(window).iq == raw.tobytes()


def test_what_rings_above_full_scale_is_not_cut_off(tmp_path: Path) -> None:
    recording = recorded(tmp_path, np.zeros(10, np.complex64))
    iq = np.array([1.3 - 1.2j, 0.1, -1.3j], np.complex64)
    np.testing.assert_allclose(carried(as_ci16(recording, iq)), iq, atol=1.3 / 32767)


@pytest.mark.parametrize(("datatype", "low", "high"), [("cu8", 0, 255), ("ci8", -128, 127), ("ci16_be", -32768, 32767)])
def test_clipping_is_counted(datatype: str, low: int, high: int) -> None:
    kind = parse_datatype(datatype)
    raw = np.full((10_000, 2), low + high >> 1, kind.component)
    assert not find_doubts(raw, kind).clipped
    raw[:2, 0], raw[2:4, 1] = low, high
    doubts = find_doubts(raw, kind)
    assert doubts.clipped_share == 4 / 20_000
    assert doubts.clipped


def test_gain_control_is_suspected_where_the_floor_falls_under_a_signal_and_not_under_the_signal_alone() -> None:
    rng = np.random.default_rng(3)
    count = 1 << 16
    noise = 0.01 * (rng.normal(size=count) + 1j * rng.normal(size=count))
    keyed = np.where(np.arange(count) // (count // 4) % 2 == 1, 0.5, 0.0) * np.exp(2j * np.pi * 0.1 * np.arange(count))
    fixed = noise + keyed
    controlled = np.where(np.abs(keyed) > 0, 0.25, 1.0) * fixed
    wide = np.where(np.abs(keyed) > 0, 2.0, 1.0) * noise + keyed  # a signal that raises the floor too
    kind = parse_datatype("cf32_le")
    suspected = [
        find_doubts(iq.astype(np.complex64).view(np.float32).reshape(-1, 2), kind).agc_suspected
        for iq in (noise, fixed, wide, controlled)
    ]
    assert suspected == [False, False, False, True]
