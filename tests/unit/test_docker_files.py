"""The files of docker/ hold to what they promise; no Docker engine is needed to see it."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))

# What Triton 2.51, asked for summaries, prints on its metrics port; `up` is Prometheus' own.
METRICS = {
    "up",
    "nv_inference_request_success",
    "nv_inference_request_failure",
    "nv_inference_count",
    "nv_inference_exec_count",
    "nv_inference_request_duration_us",
    "nv_inference_queue_duration_us",
    "nv_inference_request_summary_us",
    "nv_inference_queue_summary_us",
}


def load(name: str) -> dict[str, Any]:
    content = yaml.safe_load((DOCKER / name).read_text())
    assert isinstance(content, dict)
    return content


def instructions(dockerfile: Path, keyword: str) -> list[str]:
    """Return the arguments of every `keyword` instruction, continued lines joined, comments left out."""
    lines = [line for line in dockerfile.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [line.split(maxsplit=1)[1] for line in joined.splitlines() if line.split(maxsplit=1)[:1] == [keyword]]


def locked(package: str) -> str:
    found = re.search(rf"^{package}==(\S+)", (ROOT / "requirements" / "lock.txt").read_text(), re.MULTILINE)
    assert found, package
    return found[1]


def rules() -> list[dict[str, Any]]:
    return [rule for group in load("rules.yml")["groups"] for rule in group["rules"]]


def test_docker_is_not_a_package_so_that_the_docker_of_pypi_wins_the_import() -> None:
    assert not (DOCKER / "__init__.py").exists()


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_every_image_has_a_tag_that_is_not_latest(dockerfile: Path) -> None:
    arguments = dict(argument.split("=", 1) for argument in instructions(dockerfile, "ARG"))
    stages = {stage.split(" AS ")[1] for stage in instructions(dockerfile, "FROM")}
    for stage in instructions(dockerfile, "FROM"):
        image = re.sub(r"\$\{(\w+)\}", lambda name: arguments[name[1]], stage.split(" AS ")[0])
        assert re.search(r":\d", image), image
    copied_from = re.findall(r"--from=(\S+)", "\n".join(instructions(dockerfile, "COPY")))
    assert set(copied_from) <= stages


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_every_install_is_held_by_the_lock(dockerfile: Path) -> None:
    assert "requirements/lock.txt /tmp/lock.txt" in instructions(dockerfile, "COPY")
    commands = [command for run in instructions(dockerfile, "RUN") for command in run.split("&&")]
    installs = [command for command in commands if "pip install" in command]
    assert installs
    assert all(re.search(r"(-r|--constraint) /tmp/lock\.txt", command) for command in installs), installs


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_no_image_runs_as_root_and_each_says_how_its_health_is_asked(dockerfile: Path) -> None:
    assert instructions(dockerfile, "USER")[-1] == "1000:1000"
    assert len(instructions(dockerfile, "HEALTHCHECK")) == 1


def test_the_serving_image_is_the_triton_that_the_locked_wheel_carries() -> None:
    # The stub of the wheel talks to the server through shared memory: both have to be of one release. A newer
    # nvidia-pytriton has to come with the image of its Triton (its changelog names the version).
    assert locked("nvidia-pytriton") == "0.7.0"
    assert "TRITON=24.10" in instructions(DOCKER / "serving.Dockerfile", "ARG")


def test_the_serving_image_has_the_python_of_this_project_and_the_stub_for_it() -> None:
    requires = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert requires == ">=3.11,<3.12"
    text = (DOCKER / "serving.Dockerfile").read_text()
    assert set(re.findall(r"uv python (?:install --no-bin|find) (\d+\.\d+)\.\d+", text)) == {"3.11"}
    assert re.findall(r"python_backend_stubs/([\d.]+)/", text) == ["3.11"]


def test_the_lock_pins_what_the_saved_workflow_needs() -> None:
    assert locked("nvtabular") == "23.8.0"
    assert locked("pandas").startswith("1.5.")


def test_compose_publishes_every_port_on_the_loopback_address_only() -> None:
    for name, service in load("compose.yaml")["services"].items():
        assert service["ports"], name
        assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in service["ports"]), name
        assert service.get("network_mode") is None, name


def test_compose_gives_every_service_a_pinned_image_a_health_check_and_no_privileges() -> None:
    for name, service in load("compose.yaml")["services"].items():
        assert re.search(r":v?\d", service["image"]), name
        assert service["healthcheck"]["test"], name
        assert service["cap_drop"] == ["ALL"], name
        assert not service.get("privileged"), name


def test_compose_names_only_files_that_are_there() -> None:
    services = load("compose.yaml")["services"]
    build = services["triton"]["build"]
    assert (DOCKER / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()
    mounted = [volume.split(":")[0] for volume in services["prometheus"]["volumes"] if volume.startswith("./")]
    assert mounted
    assert all((DOCKER / path).is_file() for path in mounted)


def test_compose_mounts_the_model_repository_where_the_image_reads_it_and_cannot_write_it() -> None:
    (mount,) = load("compose.yaml")["services"]["triton"]["volumes"]
    assert mount["read_only"]
    command = instructions(DOCKER / "serving.Dockerfile", "CMD")[-1]
    assert f"--model-repository={mount['target']}" in command


def test_a_gpu_is_asked_for_only_by_the_override() -> None:
    assert "nvidia" not in str(load("compose.yaml")["services"]).replace("serving.Dockerfile", "")
    override = load("compose.gpu.yaml")["services"]
    assert override.keys() <= load("compose.yaml")["services"].keys()
    (device,) = override["triton"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]


def test_prometheus_scrapes_the_metrics_port_that_triton_exposes() -> None:
    (job,) = load("prometheus.yml")["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    host, port = target.split(":")
    assert host in load("compose.yaml")["services"]
    assert port in instructions(DOCKER / "serving.Dockerfile", "EXPOSE")[0].split()
    assert load("prometheus.yml")["rule_files"] == ["rules.yml"]


def test_rules_read_only_metrics_that_triton_prints_or_an_earlier_rule_records() -> None:
    known = set(METRICS)
    for rule in rules():
        read = set(re.findall(r"\bnv_\w+|\bmodel:[\w:]+|\bup\b", rule["expr"]))
        assert read, rule
        assert read <= known, rule
        known |= {rule.get("record", "")}


def test_rules_read_only_quantiles_that_the_image_asks_triton_for() -> None:
    command = instructions(DOCKER / "serving.Dockerfile", "CMD")[-1]
    assert "summary_latencies=true" in command
    asked = re.findall(r"(0\.\d+):", command)
    read = {quantile for rule in rules() for quantile in re.findall(r'quantile="([\d.]+)"', rule["expr"])}
    assert read
    assert read <= set(asked)


def test_every_alert_says_how_bad_it_is_and_what_is_the_matter() -> None:
    alerts = [rule for rule in rules() if "alert" in rule]
    assert {alert["alert"] for alert in alerts} >= {"TritonDown", "TritonRequestsFail", "TritonSlow", "TritonQueues"}
    for alert in alerts:
        assert alert["labels"]["severity"] in ("warning", "critical")
        assert alert["for"]
        assert alert["annotations"]["summary"]


def test_learned_artifacts_runs_and_git_stay_out_of_the_build_context() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {".git", ".venv", "runs", "**/__pycache__", "model_repository/*/1/*"} <= set(ignored)
    assert "requirements" not in ignored
