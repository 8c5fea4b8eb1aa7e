"""The transmitter of a sample: its emission as a waveform."""

from producer.am import am
from producer.angle import carrier
from producer.emission import Emission
from producer.four_fsk import four_fsk
from producer.nbfm import nbfm
from producer.ssb import ssb
from producer.streams import Purpose, normal_stream, scalar_stream
from producer.waveform import Waveform


def emit(emission: Emission, count: int, *, sample_rate_hz: float, seed: int, sample_idx: int) -> Waveform:
    """`count` samples of the emission; power 1 is its rated power, the EIRP.

    That is the power of the carrier, or for single sideband the peak envelope power (ITU Radio Regulations 1.156-161).
    """
    if emission.modulation == "carrier":
        return carrier(count)
    stream = scalar_stream(seed, sample_idx, Purpose.AUDIO)
    if emission.modulation == "4fsk":
        return four_fsk(count, sample_rate_hz=sample_rate_hz, data=stream)
    noise = normal_stream(seed, sample_idx, Purpose.AUDIO, 0)
    if emission.modulation == "am":
        depth = emission.modulation_depth
        return am(count, sample_rate_hz=sample_rate_hz, modulation_depth=depth, pace=stream, noise=noise)
    if emission.sideband is not None:
        return ssb(count, sample_rate_hz=sample_rate_hz, sideband=emission.sideband, pace=stream, noise=noise)
    deviation_hz = emission.peak_deviation_hz
    return nbfm(count, sample_rate_hz=sample_rate_hz, peak_deviation_hz=deviation_hz, pace=stream, noise=noise)
