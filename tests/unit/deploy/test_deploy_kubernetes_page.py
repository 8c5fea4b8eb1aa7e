"""docs/kubernetes.md says what the code and the manifests say."""

import re
from pathlib import Path

import yaml

from iqstream.runtime.settings import Settings
from iqstream.runtime.topics import topic_specs

PAGE = Path("docs/kubernetes.md").read_text(encoding="utf-8")


def test_the_documented_topics_are_those_that_init_makes():
    settings = Settings(kafka_bootstrap="", postgres_dsn="", s3_endpoint="", s3_access_key="", s3_secret_key="")
    keys = ("retention.ms", "retention.bytes", "segment.bytes", "max.message.bytes")
    wanted = [
        [f"`{spec.name}`", str(spec.partitions), *(spec.config.get(key, "") for key in keys)]
        for spec in topic_specs(settings)
    ]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| `iq.")
    ]
    assert rows == wanted


def test_every_secret_and_config_map_that_a_pod_mounts_is_documented():
    table = PAGE[PAGE.index("**Secrets**") : PAGE.index("## Topics")]
    names = set(re.findall(r"`(iqstream-[\w-]+)`", table))
    families = [
        re.findall(r"`([\w-]+)`", line.split("|")[1]) for line in table.splitlines() if line.startswith("| `iq")
    ]
    for first, *more in families:
        names |= {first.rsplit("-", 1)[0] + suffix for suffix in more if suffix.startswith("-")}
    mounted = set()
    for path in Path("deploy/k8s").glob("*.yaml"):
        for document in yaml.safe_load_all(path.read_text()):
            for volume in document.get("spec", {}).get("template", {}).get("spec", {}).get("volumes", []):
                mounted |= {
                    volume[kind][key]
                    for kind, key in (("secret", "secretName"), ("configMap", "name"))
                    if kind in volume
                }
    assert mounted == names


def test_every_user_that_a_pod_logs_in_as_has_documented_rights():
    users = set(re.findall(r"^\| (iqstream-\w+) \|", PAGE, flags=re.MULTILINE))
    used = {
        match
        for path in Path("deploy/k8s").glob("*.yaml")
        for match in re.findall(r"IQSTREAM_KAFKA_SASL_USERNAME, value: ([\w-]+)", path.read_text())
    }
    assert users == used
