"""The alert rules by Prometheus's own tool: each fires on its fault and is silent beside it."""

import pytest

from tests.containers.compose import ROOT

pytestmark = pytest.mark.containers
IMAGE = "prom/prometheus:v3.5.0"


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "/etc/prometheus/prometheus.yml"),
        ("check", "rules", "/etc/prometheus/rules.yml"),
        ("test", "rules", "/etc/prometheus/rules_test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_is_content(engine, arguments):
    told = engine.containers.run(
        IMAGE, list(arguments), entrypoint="promtool", remove=True, stderr=True,
        volumes={str(ROOT / "deploy/prometheus"): {"bind": "/etc/prometheus", "mode": "ro"}},
    )  # fmt: skip
    assert b"SUCCESS" in told


def test_promtool_finds_an_alert_that_does_not_fire(engine, tmp_path):
    import docker

    for name in ("rules.yml", "rules_test.yml"):
        (tmp_path / name).write_text((ROOT / "deploy/prometheus" / name).read_text())
    path = tmp_path / "rules.yml"
    path.write_text(path.read_text().replace("(iqstream_unread_share) > 0.75", "(iqstream_unread_share) > 7.5"))
    tmp_path.chmod(0o755)
    with pytest.raises(docker.errors.ContainerError, match="IqstreamRetentionRisk"):
        engine.containers.run(
            IMAGE, ["test", "rules", "/etc/prometheus/rules_test.yml"], entrypoint="promtool", remove=True, stderr=True,
            volumes={str(tmp_path): {"bind": "/etc/prometheus", "mode": "ro"}},
        )  # fmt: skip
