"""Whether a worker is alive, as somebody asks who would restart it."""

import asyncio
import time
import urllib.error
import urllib.request

import pytest

from iqstream.runtime.health import SILENCE_ALLOWED_S, Pulse
from iqstream.runtime.metrics import METRICS, Metrics


class Clock:
    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


def served(pulse):
    metrics = Metrics("sink")
    return metrics, f"http://127.0.0.1:{metrics.serve('127.0.0.1', 0, pulse)}"


def ask(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_worker_is_alive_until_its_loop_has_stood_still_too_long():
    clock = Clock()
    _, url = served(Pulse(clock))
    clock.now_s += SILENCE_ALLOWED_S - 1
    assert ask(f"{url}/healthz") == (200, "alive\n")
    clock.now_s += 2
    assert ask(f"{url}/healthz") == (503, "the event loop has stood still for 31 s\n")


async def test_a_turning_loop_beats():
    clock = Clock()
    pulse = Pulse(clock)
    clock.now_s += 1000
    async with pulse.beating():
        await asyncio.sleep(0)
        assert pulse.silent_s() == 0


@pytest.mark.parametrize("spec", [spec for spec in METRICS if spec.values], ids=lambda spec: spec.name)
def test_counters_are_exposed_as_zero_before_anything_happened(spec):
    _, url = served(Pulse(time.monotonic))
    _, text = ask(f"{url}/metrics")
    for value in spec.values:
        assert f'{spec.name}_total{{{spec.labels[0]}="{value}",stage="sink"}} 0.0' in text
