"""The Kubernetes manifests: valid, consistent with one another and with what the code expects."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from deploy.check_manifests import problems
from iqstream.cli.dashboard import DEFAULT_PORT
from iqstream.lag.advise import ADVISED_STAGES, Cost, advise, hpa_scaler, keda_scaler
from iqstream.runtime.settings import load_settings
from iqstream.runtime.stages import GROUP_OF_TOPIC, STAGES
from iqstream.runtime.workers import STOP_DEADLINE_S

FOLDER = Path("deploy/k8s")
NAMES = [path.name for path in sorted(FOLDER.glob("*.yaml")) if path.name != "kustomization.yaml"]
DOCUMENTS = [document for name in NAMES for document in yaml.safe_load_all((FOLDER / name).read_text())]


def of_kind(kind):
    return {document["metadata"]["name"]: document for document in DOCUMENTS if document["kind"] == kind}


PODS = {
    name: document["spec"]["template"] for kind in ("Deployment", "Job") for name, document in of_kind(kind).items()
}
CONFIG = of_kind("ConfigMap")["iqstream"]["data"]


def test_the_manifests_are_valid():
    assert list(problems(FOLDER)) == []


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("extractor.yaml", "terminationGracePeriodSeconds", "terminationGracePeriod"),
        ("extractor.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
        ("scaling.yaml", "maxReplicaCount", "maxReplicas"),
        ("scaling.yaml", "keda.sh/v1alpha1", "keda.sh/v1"),
        ("disruption.yaml", "PodDisruptionBudget", "PodDisruptionBudgets"),
    ],
)
def test_a_wrong_field_is_found(tmp_path, name, right, wrong):
    shutil.copytree(FOLDER, tmp_path / "k8s")
    path = tmp_path / "k8s" / name
    path.write_text(path.read_text().replace(right, wrong, 1))
    assert any(problem.startswith(name) for problem in problems(tmp_path / "k8s"))


@pytest.mark.parametrize("name", PODS)
def test_the_settings_of_every_pod_are_complete_and_known(tmp_path, name):
    container = PODS[name]["spec"]["containers"][0]
    given = CONFIG | {variable["name"]: variable["value"] for variable in container["env"]}
    mounted = [mount["mountPath"] for mount in container["volumeMounts"]]
    for variable, value in given.items():
        if value.startswith("/"):
            assert any(value.startswith(f"{place}/") for place in mounted)
        if variable.endswith("_FILE"):
            (tmp_path / variable).write_text("postgresql://u:secret@db/iqstream" if "DSN" in variable else "secret")
            given[variable] = str(tmp_path / variable)
    load_settings(given | {"IQSTREAM_STATE_DIR": str(tmp_path)})
    volumes = {volume["name"] for volume in PODS[name]["spec"]["volumes"]}
    assert volumes == {mount["name"] for mount in container["volumeMounts"]}


@pytest.mark.parametrize("name", PODS)
def test_no_pod_is_given_variables_of_the_services_beside_it(name):
    assert PODS[name]["spec"]["enableServiceLinks"] is False


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_scales_on_its_own_backlog_up_to_its_partitions(name):
    scaled = of_kind("ScaledObject")[name]["spec"]
    query = scaled["triggers"][0]["metadata"]["query"]
    topic = re.search(r'topic="([^"]+)"', query)[1]
    assert re.search(r'group="([^"]+)"', query)[1] == GROUP_OF_TOPIC[topic] == f"iqstream-{name}"
    assert scaled["maxReplicaCount"] == int(CONFIG["IQSTREAM_PARTITIONS"])
    assert scaled["scaleTargetRef"]["name"] in of_kind("Deployment")
    assert "replicas" not in of_kind("Deployment")[name]["spec"]


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_has_longer_to_stop_than_its_supervisor_takes(name):
    assert PODS[name]["spec"]["terminationGracePeriodSeconds"] > STOP_DEADLINE_S + 10
    compose = yaml.safe_load(Path("docker-compose.yml").read_text())["services"][name]
    assert int(compose["stop_grace_period"].removesuffix("s")) > STOP_DEADLINE_S + 10


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_guarded_by_budget_and_probes(name):
    labels = PODS[name]["metadata"]["labels"]
    budget = of_kind("PodDisruptionBudget")[name]["spec"]["selector"]["matchLabels"]
    deployment = of_kind("Deployment")[name]["spec"]["selector"]["matchLabels"]
    assert budget.items() <= labels.items()
    assert deployment.items() <= labels.items()
    container = PODS[name]["spec"]["containers"][0]
    ports = {port["name"]: str(port["containerPort"]) for port in container["ports"]}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/healthz", "port": "metrics"}
    assert container["args"][-1] == ports["metrics"]


def test_kustomize_builds_it_and_the_network_policy_selects_every_pod():
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed: its kustomize builds the manifests")
    built = subprocess.run([kubectl, "kustomize", FOLDER], capture_output=True, text=True, check=True).stdout
    documents = list(yaml.safe_load_all(built))
    assert len(documents) == len(DOCUMENTS)
    policies = [document for document in documents if document["kind"] == "NetworkPolicy"]
    policy = next(document for document in policies if document["metadata"]["name"] == "iqstream")
    wanted = policy["spec"]["podSelector"]["matchLabels"]
    pods = [document["spec"]["template"] for document in documents if document["kind"] in {"Deployment", "Job"}]
    assert pods
    assert all(wanted.items() <= pod["metadata"]["labels"].items() for pod in pods)


def test_the_dashboard_s_service_and_policy_select_its_pod_and_its_port():
    pod = PODS["dashboard"]
    (port,) = of_kind("Service")["dashboard"]["spec"]["ports"]
    assert of_kind("Service")["dashboard"]["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert {one["name"] for one in pod["spec"]["containers"][0]["ports"]} == {port["targetPort"]}
    policy = of_kind("NetworkPolicy")["dashboard"]["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert policy["ingress"][0]["ports"][0]["port"] == port["port"] == DEFAULT_PORT


@pytest.mark.parametrize("stage", ADVISED_STAGES)
def test_advised_scalers_scale_the_deployments_of_these_manifests(stage):
    advice = advise(20.0, 7, Cost(seconds=0.01, source=""), 12, stage)
    for advised in (keda_scaler(advice, "kafka:9092"), hpa_scaler(advice)):
        spec = advised["spec"]
        assert spec["scaleTargetRef"]["name"] in of_kind("Deployment")
