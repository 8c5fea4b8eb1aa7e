"""Features of one receiver's IQ: for every chunk, and their statistics for the recording. Pure."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from extractor.aggregate import aggregate
from extractor.chunking import chunk_bounds
from extractor.features.band import measure_band, measure_shape
from extractor.features.baseband import to_baseband
from extractor.features.confidence import confidence_score
from extractor.features.delay import measure_delay
from extractor.features.detection import is_signal_present
from extractor.features.envelope import measure_envelope
from extractor.features.frequency import FrequencyClass, measure_frequency
from extractor.features.noise_floor import measure_noise_floor
from extractor.features.power import (
    POWER_FLOOR_MW,
    is_absurdly_strong,
    largest_component,
    power_dbm,
    within_range,
)
from extractor.features.snr import snr_db
from extractor.features.spectrum import measure_spectrum
from schemas import FEATURE_TABLE

CHUNK_S = 0.2


class ChunkFeatures(NamedTuple):
    """The features of one chunk; what they are stands in ``schemas.features``, in the same order."""

    rssi_dbm: float
    snr_db: float
    noise_floor_dbm: float
    frequency_offset_hz: float
    bandwidth_hz: float
    psd_dbm_per_hz: float
    spectral_centroid_hz: float
    spectral_rolloff_hz: float
    envelope_mean: float
    envelope_std: float
    envelope_max: float
    peak_to_avg_ratio_db: float
    zero_crossing_rate: float
    multipath_delay_spread_us: float
    coherence_bandwidth_khz: float
    delay_spread_confidence: float
    confidence_score: float
    signal_present: float


SILENCE = ChunkFeatures(**{feature.name: feature.silent for feature in FEATURE_TABLE.values()})


class MeasuredChunk(NamedTuple):
    """The features of one chunk, and the class of its band; None where no signal was detected."""

    features: ChunkFeatures
    frequency_class: FrequencyClass | None


def extract_features(iq: NDArray[np.complex64], sample_rate_hz: float, chunk_s: float = CHUNK_S) -> NDArray[np.float64]:
    """Mean, population standard deviation, minimum and maximum of every feature over the chunks.

    Args and errors are those of :func:`chunk_features`.

    Returns:
        float64, shape ``(n_features, 4)``: rows as in ``schemas.FEATURE_NAMES``, columns as in ``schemas.STATISTICS``.
    """
    return aggregate(chunk_features(iq, sample_rate_hz, chunk_s))


def chunk_features(iq: NDArray[np.complex64], sample_rate_hz: float, chunk_s: float = CHUNK_S) -> NDArray[np.float64]:
    """Features of every chunk; each row depends on its own samples alone.

    Args and errors are those of :func:`measure_chunks`.

    Returns:
        float64, shape ``(n_chunks, n_features)``, columns as in ``schemas.FEATURE_NAMES``; always finite.
    """
    return np.array([chunk.features for chunk in measure_chunks(iq, sample_rate_hz, chunk_s)])


def measure_chunks(iq: NDArray[np.complex64], sample_rate_hz: float, chunk_s: float = CHUNK_S) -> list[MeasuredChunk]:
    """Features of every chunk and how its frequency was measured.

    Args:
        iq: complex64, shape ``(n,)``, n >= 1, in sqrt(mW).
        sample_rate_hz: the rate, which is also the full bandwidth.
        chunk_s: length of a chunk; what happens to the rest is told by ``chunking.chunk_bounds``.

    Raises:
        ValueError: the IQ is not a one-dimensional complex64 array or holds NaN or infinity, or the rate or the chunk
            length is not a positive number.
    """
    samples = _checked(iq)
    bounds = chunk_bounds(samples.size, sample_rate_hz, chunk_s)
    largest = largest_component(samples)
    if not math.isfinite(largest):
        first = int(np.argmin(np.isfinite(samples)))
        raise ValueError(f"the IQ holds NaN or infinity, first at sample {first}: remove or replace such samples")
    rows = []
    for start, stop in bounds:
        chunk, gain_db = samples[start:stop], 0.0
        if is_absurdly_strong(largest):
            chunk, gain_db = within_range(chunk)
        rows.append(_measure(chunk, gain_db, sample_rate_hz))
    return rows


def _measure(chunk: NDArray[np.complex64], gain_db: float, sample_rate_hz: float) -> MeasuredChunk:
    """Features of one chunk; ``gain_db`` is what its powers lack."""
    envelope = measure_envelope(chunk)
    if envelope.mean_power <= POWER_FLOOR_MW:
        return MeasuredChunk(SILENCE, None)
    rssi_dbm = power_dbm(envelope.mean_power) + gain_db
    measured = SILENCE._replace(
        rssi_dbm=rssi_dbm,
        noise_floor_dbm=rssi_dbm,
        psd_dbm_per_hz=rssi_dbm - 10.0 * math.log10(sample_rate_hz),
        envelope_mean=envelope.relative_mean,
        envelope_std=envelope.relative_std,
        envelope_max=envelope.relative_high,
        peak_to_avg_ratio_db=envelope.peak_to_average_db,
        zero_crossing_rate=envelope.zero_crossing_rate,
    )
    spectrum = measure_spectrum(chunk, sample_rate_hz)
    if spectrum is None:
        return MeasuredChunk(measured, None)
    floor = measure_noise_floor(spectrum)
    measured = measured._replace(
        snr_db=snr_db(spectrum, floor, None, envelope.mean_power),
        noise_floor_dbm=power_dbm(floor.power) + gain_db,
        psd_dbm_per_hz=power_dbm(float(spectrum.psd.max()) / sample_rate_hz) + gain_db,
    )
    band = measure_band(spectrum, floor) if is_signal_present(floor) else None
    if band is None:
        return MeasuredChunk(measured, None)
    noise_density = floor.power / sample_rate_hz
    baseband = to_baseband(spectrum, band)
    frequency = measure_frequency(spectrum, band, baseband, noise_density)
    shape = measure_shape(spectrum, floor)
    delay = measure_delay(baseband, noise_density)
    measured = measured._replace(
        snr_db=snr_db(spectrum, floor, band, envelope.mean_power),
        frequency_offset_hz=frequency.offset_hz,
        bandwidth_hz=band.bandwidth_hz,
        spectral_centroid_hz=shape.centroid_hz,
        spectral_rolloff_hz=shape.rolloff_hz,
        multipath_delay_spread_us=delay.spread_us,
        coherence_bandwidth_khz=delay.coherence_bandwidth_khz,
        delay_spread_confidence=delay.confidence,
        confidence_score=confidence_score(spectrum, band, frequency),
        signal_present=1.0,
    )
    return MeasuredChunk(measured, frequency.kind)


def _checked(iq: object) -> NDArray[np.complex64]:
    """Refuse what is not one-dimensional complex64; copy only what the kernels cannot read as it lies."""
    if not isinstance(iq, np.ndarray):
        raise ValueError(f"the IQ is of type {type(iq).__name__}: a one-dimensional complex64 array is needed")  # noqa: TRY004
    if iq.dtype != np.complex64 or iq.ndim != 1:
        raise ValueError(f"the IQ is {iq.dtype} of shape {iq.shape}: a one-dimensional complex64 array is needed")
    return np.require(iq, requirements=["C", "A"])
