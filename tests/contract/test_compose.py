"""docker-compose.yml is valid Compose, and every command, setting, port, path and secret in it exists in the program.

No container engine runs in these tests: this is what can be known without one. The schema is the Compose specification's
(tests/fixtures/compose-spec.json, Apache-2.0, as carried by check-jsonschema 0.39.0).
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if service["image"].startswith("chuantou:"))
FOREIGN = sorted(set(SERVICES) - set(OURS))


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def environment(service: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in service.get("environment", {}).items()}


def test_file_validates_against_the_compose_specification() -> None:
    schema = json.loads((ROOT / "tests/fixtures/compose-spec.json").read_text(encoding="utf-8"))
    without_extensions = {key: value for key, value in COMPOSE.items() if not key.startswith("x-")}
    jsonschema.Draft202012Validator(schema).validate(without_extensions)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate({"services": {"a": {"imagee": "b"}}})


def test_every_named_thing_is_declared() -> None:
    for name, service in SERVICES.items():
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"]), name
        assert set(service.get("networks", [])) <= set(COMPOSE["networks"]), name
        assert set(service.get("depends_on", {})) <= set(SERVICES), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], f"{name}: {volume}"
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert used == set(COMPOSE["secrets"])


@pytest.mark.parametrize("name", OURS)
def test_command_is_a_command_of_the_program(name: str) -> None:
    import typer.main

    import chuantou

    entry = SERVICES[name].get("entrypoint", ["chuantou"])
    if entry[-1] == "simulators":
        from simulators.__main__ import _arguments
        from simulators.settings import SimulatorSettings

        assert _arguments(SimulatorSettings()).parse_args(SERVICES[name]["command"])
        return
    if entry[-1] != "chuantou":
        assert f"deploy/{entry[-1]}" in (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
        return
    group = typer.main.get_command(chuantou.app)
    words = SERVICES[name]["command"]
    command = group.commands.get(words[0])  # type: ignore[attr-defined]
    assert command is not None, f"chuantou has no command {words[0]}"
    if words[0] == "simulate":
        from simulators.scenario import choose

        assert choose(words[1])
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word.split("=")[0] for word in words[1:] if word.startswith("--")} <= options


@pytest.mark.parametrize("name", OURS)
def test_settings_exist_in_the_classes(name: str) -> None:
    known = _module(ROOT / "tests/contract/settings_docs.py").variables()
    given = {variable for variable in environment(SERVICES[name]) if variable.startswith("CHUANTOU_")}
    assert given <= known, f"no process reads {sorted(given - known)}"


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_secrets_are_files_and_never_in_clear(name: str) -> None:
    service = SERVICES[name]
    for variable, value in environment(service).items():
        if variable == "CHUANTOU_CLOCK":
            assert value == "${CHUANTOU_CLOCK:-}"
        assert not re.search(r"://[^/@\s]*:[^/@\s]*@", value), f"{variable} carries a password"
        if re.search(r"PASSWORD|SECRET|DATABASE_URL", variable):
            assert variable.endswith("_FILE"), f"{variable} is given in clear"
        if value.startswith("/run/secrets/"):
            assert value.removeprefix("/run/secrets/") in service["secrets"], f"{variable} points at a secret that is not mounted"
    assert "env_file" not in service


def test_mounted_secrets_are_used() -> None:
    files = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "deploy").rglob("*.conf"))
    for name, service in SERVICES.items():
        text = json.dumps([service.get("environment"), service.get("command")]) + files
        for secret in service.get("secrets", []):
            assert f"/run/secrets/{secret}" in text, f"{name} mounts {secret} and does not use it"


def test_ports_and_health_paths_exist_in_the_program() -> None:
    from api.settings import ApiSettings

    api = SERVICES["api"]
    port = environment(api)["CHUANTOU_API_PORT"]
    assert api["expose"] == [port]
    assert int(port) == ApiSettings.model_fields["api_port"].default
    health = environment(api)["HEALTH_URL"]
    path = re.fullmatch(rf"http://127\.0\.0\.1:{port}(/\w+)", health)
    assert path is not None
    sources = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "api").rglob("*.py"))
    assert f'"{path[1]}"' in sources
    proxy = (ROOT / "deploy/proxy/nginx.conf").read_text(encoding="utf-8")
    assert f"http://api:{port}" in proxy
    assert re.search(r"listen (\d+) ssl", proxy)[1] == SERVICES["proxy"]["ports"][0].split(":")[1]  # type: ignore[index]
    broker = (ROOT / "deploy/mosquitto/mosquitto.conf").read_text(encoding="utf-8")
    listeners = re.findall(r"^listener (\d+)", broker, re.MULTILINE)
    assert listeners == [port.split(":")[1] for port in SERVICES["mosquitto"]["ports"]], "only the TLS listener is there and published"
    assert "allow_anonymous false" in broker


def test_broker_reads_the_files_that_the_program_writes() -> None:
    from ingest.broker import ACL_FILE, PASSWORD_FILE, SERVICES_FILE
    from ingest.topics import READY_TOPIC

    broker = (ROOT / "deploy/mosquitto/mosquitto.conf").read_text(encoding="utf-8")
    entry = (ROOT / "deploy/mosquitto/entry.sh").read_text(encoding="utf-8")
    assert "OWN_DIR:-/tmp/broker}" in entry
    assert "password_file /tmp/broker/passwords" in broker
    assert {f"$accounts/{PASSWORD_FILE}", f"$accounts/{SERVICES_FILE}"} <= set(re.findall(r"\$accounts/\w+", entry))
    assert f"-t {READY_TOPIC} " in entry
    assert f"acl_file /accounts/{ACL_FILE}" in broker
    assert "broker-accounts:/accounts:ro" in SERVICES["mosquitto"]["volumes"]
    assert "broker-accounts:/accounts" in SERVICES["broker-files"]["volumes"]
    assert SERVICES["broker-files"]["user"] == SERVICES["mosquitto"]["user"], "the account files are readable by their owner only"


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_service_is_pinned_bounded_and_confined(name: str) -> None:
    service = SERVICES[name]
    assert re.search(r":\d+\.\d+(\.\d+)?", service["image"]), "a floating tag"
    assert service["restart"] in (("no",) if name in ("migrate", "sample-users", "sample-world") else ("unless-stopped",))
    limits = service["deploy"]["resources"]["limits"]
    assert limits["cpus"]
    assert limits["memory"]
    assert "privileged" not in service
    assert "container_name" not in service, "a fixed name cannot be scaled"
    if name != "timescaledb":
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_store_is_reached_from_inside_only() -> None:
    assert COMPOSE["networks"]["store"]["internal"] is True
    assert SERVICES["timescaledb"]["networks"] == ["store"]
    assert "ports" not in SERVICES["timescaledb"]
    assert "ports" not in SERVICES["api"], "the API is reached through TLS"


def test_image_runs_unprivileged_from_hashed_locks() -> None:
    text = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["python:3.12.8-slim-bookworm"] * 2
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    assert "--require-hashes" in text
    assert re.search(r"^HEALTHCHECK ", text, re.MULTILINE)
    ignored = (ROOT / "deploy/Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    for source in re.findall(r"^COPY (?!--from)(?:--chmod=\d+ )?(.+) \S+$", text, re.MULTILINE):
        for item in source.split():
            assert (ROOT / item).exists(), f"{item} does not exist"
            assert f"!{item}" in ignored, f"{item} is not in the build's context"


def test_runtime_lock_is_complete_and_without_tools() -> None:
    cut = _module(ROOT / "deploy/runtime_lock.py")
    lock = cut.runtime_lock(*((ROOT / name).read_text(encoding="utf-8") for name in ("pyproject.toml", "requirements.lock")))
    kept = {cut.normal(name) for name in re.findall(r"^([A-Za-z0-9._-]+(?:\[[^\]]*\])?)==", lock, re.MULTILINE)}
    assert not kept & {"pytest", "mypy", "ruff", "playwright", "schemathesis", "hypothesis"}
    assert lock.count("==") <= lock.count("--hash=sha256:")
    for name in kept:
        try:
            needs = requires(name) or []
        except PackageNotFoundError:
            continue  # for another system; its marker decides
        for need in map(Requirement, needs):
            if need.marker is None or need.marker.evaluate({"extra": "", "python_version": "3.12", "python_full_version": "3.12.8"}):
                assert cut.normal(need.name) in kept, f"{name} needs {need.name}"


def test_runtime_lock_names_what_is_missing() -> None:
    cut = _module(ROOT / "deploy/runtime_lock.py")
    with pytest.raises(ValueError, match="lacks beta"):
        cut.runtime_lock('[project]\ndependencies = ["alpha>=1", "beta"]\n', "alpha==1.0 \\\n    --hash=sha256:00\n    # via x\n")


def test_secrets_script_makes_what_compose_mounts(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path / "secrets"
    for _ in range(2):  # the second time changes nothing
        subprocess.run(["sh", str(ROOT / "deploy/make-secrets.sh"), str(folder), "chuantou.example"], check=True, capture_output=True)
        made = {p.name: p.read_bytes() for p in folder.iterdir()}
    missing = {Path(entry["file"]).name for entry in COMPOSE["secrets"].values()} - set(made)
    assert not missing
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "ca_key").stat().st_mode & 0o777 == 0o600
    assert len(json.loads(made["sample_users"])) == 7
    assert made["database_password"].strip() in made["database_url"]
    assert made["ingest_password"].strip() in made["ingest_mqtt_url"]
    verify = ["openssl", "verify", "-CAfile", str(folder / "ca_cert")]
    for name in ("mqtt_server_cert", "api_cert"):
        subprocess.run([*verify, "-verify_hostname", "chuantou.example", str(folder / name)], check=True, capture_output=True)


def test_secrets_are_not_tracked() -> None:
    done = subprocess.run(["git", "ls-files", "deploy/secrets"], cwd=ROOT, capture_output=True, text=True)
    assert set(done.stdout.split()) <= {"deploy/secrets/.gitignore", "deploy/secrets/README.md"}


def test_replicas_of_ingest_hold_distinct_fixed_ids(tmp_path: Path) -> None:
    if shutil.which("flock") is None:
        pytest.skip("flock is not installed")
    script = ["sh", str(ROOT / "deploy/ingest-slot.sh"), sys.executable, "-uc"]
    body = "import os,sys; print(os.environ['CHUANTOU_INGEST_CLIENT_ID']); sys.stdin.read()"

    def start() -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [*script, body], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "SLOTS_DIR": str(tmp_path)}
        )
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    first, second = start(), start()
    assert (first[1], second[1]) == ("ingest-1", "ingest-2")
    first[0].kill()
    first[0].communicate()
    again = start()
    assert again[1] == "ingest-1", "the id of a killed replica is taken up again"
    for process, _ in (second, again):
        process.communicate("")
