"""`iqstream lag --advise`: what a rate takes, as comments and YAML, or as JSON."""

from collections.abc import Sequence

from iqstream.cli.console import say, say_json
from iqstream.cli.door import with_client
from iqstream.lag.advise import advice_comment, advice_document, hpa_scaler, keda_scaler, scaler_yaml
from iqstream.runtime.settings import Settings

MAX_SAMPLES_PER_S = 1e9


def print_advice(
    settings: Settings,
    samples_per_s: float,
    *,
    groups: Sequence[str],
    pages: Sequence[str],
    scaler: str,
    as_json: bool,
) -> None:
    """Prints the advice for some stages, each as comments and the scaler's YAML, or all as one JSON document.

    Raises:
        UserError: a group of which no advice can be given, or a page without a stage's figures.
        Unreachable: Kafka, or a metrics page, does not answer.
        Failed: nothing was measured yet.
    """
    advised = with_client(lambda client: client.advise(samples_per_s, pages, groups=groups), settings)
    scalers = [keda_scaler(one, settings.kafka_bootstrap) if scaler == "keda" else hpa_scaler(one) for one in advised]
    if as_json:
        found = [advice_document(advice, scaling) for advice, scaling in zip(advised, scalers, strict=True)]
        say_json({"advice": found})
        return
    texts = [advice_comment(advice) + scaler_yaml(one) for advice, one in zip(advised, scalers, strict=True)]
    say(*"---\n".join(texts).splitlines())
