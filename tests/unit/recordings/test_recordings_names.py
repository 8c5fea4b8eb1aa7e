"""Names of recorders' files say what they say, and nothing is read into others."""

import pytest

from iqstream.recordings.names import parse_name

AT_NS = 1_515_317_545_000_000_000
"""2018-01-07T09:32:25Z."""


@pytest.mark.parametrize(
    ("stem", "rx_name", "frequency_hz", "rate_hz", "at_ns"),
    [
        ("g001_433.92M_250k", "g001", 433.92e6, 250e3, None),
        ("g001_868M_1024k", "g001", 868e6, 1.024e6, None),
        ("g001_433.92MHz_2.4Msps", "g001", 433.92e6, 2.4e6, None),
        ("g001_2.4Msps_433920kHz", "g001", 433.92e6, 2.4e6, None),
        ("x_1.2G_250000sps", "x", 1.2e9, 250e3, None),
        ("gqrx_20180107_093225_433920000_2400000_fc", "gqrx", 433.92e6, 2.4e6, AT_NS),
        ("SDRSharp_20180107_093225Z_433920000Hz_IQ", "SDRSharp", 433.92e6, None, AT_NS),
        ("HDSDR_20180107_093225Z_7100kHz_RF", "HDSDR", 7.1e6, None, AT_NS),
        ("baseband_433920000Hz_09-32-25_07-01-2018", "baseband", 433.92e6, None, AT_NS),
        ("20180107T093225Z_77500_rxa_iq", "rxa", 77.5e3, None, AT_NS),
        ("rxa 2018-01-07 09:32:25", "rxa", None, None, AT_NS),
        ("2018-01-07T09_32_25Z", "2018-01-07T09_32_25Z", None, None, AT_NS),
        ("capture_2", "capture_2", None, None, None),
        ("capture_433920000_2400000", "capture_433920000_2400000", None, None, None),
        ("a_433M_434M_250k", "a", None, 250e3, None),  # two frequencies: which is not known
        ("a_0M_0k", "a", None, None, None),
        ("a_99999999999M_9999999k", "a", None, None, None),
        ("a_20181307_093225_1000", "a_20181307_093225_1000", None, None, None),  # no month 13
        ("", "", None, None, None),
        ("٤٣٣M_²k", "٤٣٣M_²k", None, None, None),
    ],
)  # fmt: skip
def test_the_facts_of_a_name(
    stem: str, rx_name: str, frequency_hz: float | None, rate_hz: float | None, at_ns: int | None
) -> None:
    facts = parse_name(stem)
    assert facts.rx_name == rx_name
    assert facts.center_frequency_hz == pytest.approx(frequency_hz)
    assert facts.sample_rate_hz == pytest.approx(rate_hz)
    assert facts.started_at_ns == at_ns
