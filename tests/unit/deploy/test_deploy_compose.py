"""The compose file and its secrets, without an engine."""

import re
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from iqstream.runtime.settings import load_settings

COMPOSE = yaml.safe_load(Path("docker-compose.yml").read_text(encoding="utf-8"))
GRAFANA = yaml.safe_load(Path("docker-compose.grafana.yml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]


def make_secrets(folder):
    subprocess.run(["deploy/make-secrets", folder], check=True, capture_output=True)
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_every_secret_is_made_strong_and_for_this_place_alone(tmp_path):
    one, other = make_secrets(tmp_path / "one"), make_secrets(tmp_path / "other")
    assert one.keys() == COMPOSE["secrets"].keys() | GRAFANA["secrets"].keys()
    assert not set(one.values()) & set(other.values())
    assert all(len(text) >= 40 for name, text in one.items() if name != "s3_access_key")
    assert stat.S_IMODE((tmp_path / "one").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "one").iterdir()} == {0o444}


def test_secrets_are_made_once(tmp_path):
    assert make_secrets(tmp_path) == make_secrets(tmp_path)


def test_secrets_and_what_is_generated_stay_out_of_the_repository():
    ignored = subprocess.run(["git", "check-ignore", "deploy/secrets/kafka_password"], check=False, capture_output=True)
    assert ignored.returncode == 0


def test_the_image_is_built_once_for_all_services_and_pulled_for_none():
    """Services that build the same image each get another one, and scaling one recreates the others."""
    ours = {name: service for name, service in SERVICES.items() if service["image"].startswith("iqstream:")}
    assert ours.keys() == {"init", "producer", "extractor", "sink", "lag", "dashboard", "cli"}
    assert len({service["image"] for service in ours.values()}) == 1
    assert [name for name, service in SERVICES.items() if "build" in service] == ["init"]
    assert all(service["pull_policy"] == "never" for service in ours.values())
    for name in ours.keys() - {"init", "cli"}:
        assert "init" in ours[name]["depends_on"]  # so that it is built before any of them is made


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_hardened_and_limited(name):
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert service.get("read_only") or name == "kafka"  # its image writes its configuration at the start
    assert "healthcheck" in service or name in {"init", "cli"}
    assert "privileged" not in service


@pytest.mark.parametrize(
    "name", [name for name, service in SERVICES.items() if service["image"].startswith("iqstream:")]
)
def test_the_settings_of_every_service_are_complete_and_known(tmp_path, caplog, name):
    made = tmp_path / "secrets"
    make_secrets(made)
    given = {
        variable: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value)).replace("/run/secrets", str(made))
        for variable, value in SERVICES[name]["environment"].items()
    }
    load_settings(given | {"IQSTREAM_STATE_DIR": str(tmp_path)})
    assert caplog.records == []


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_is_given_a_secret_in_its_environment(name):
    service = SERVICES[name]
    for variable, value in service.get("environment", {}).items():
        if any(word in variable for word in ("PASSWORD", "SECRET", "DSN", "ACCESS_KEY", "ROOT_USER")):
            if value == "not-for-this-stage":
                continue
            assert variable.endswith("_FILE")
            assert value.removeprefix("/run/secrets/") in service["secrets"]
