"""The files of ``examples/deploy``: valid, of one mind, and what they start runs, is probed and drains."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import requests

from tests.tools.command_lines import check
from tests.tools.programs import PATIENCE, ROOT, Program
from tests.tools.wait import eventually
from twilio_taskrouter_worker._local_url import DEVELOPMENT_SEED
from twilio_taskrouter_worker.local import LocalTaskRouter

yaml = pytest.importorskip("yaml", reason="two of the files are YAML")

DEPLOY = ROOT / "examples" / "deploy"
SETTINGS = {
    "TWILIO_ACCOUNT_SID",
    "TWILIO_API_KEY",
    "TWILIO_API_SECRET",
    "TASKROUTER_WORKSPACE_SID",
    "TASKROUTER_WORKER_SID",
}


def text(name: str) -> str:
    """A file of the folder."""
    return (DEPLOY / name).read_text(encoding="utf-8")


def unit() -> dict[str, str]:
    """The settings of the systemd unit."""
    return dict(re.findall(r"^(\w+)=(.*)$", text("taskrouter-worker.service"), re.MULTILINE))


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile with their arguments."""
    joined = re.sub(r"\\\n\s*", "", text("Dockerfile"))
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def pod() -> dict[str, Any]:
    """The pod of the Kubernetes manifest."""
    spec: dict[str, Any] = yaml.safe_load(text("kubernetes.yaml"))["spec"]["template"]["spec"]
    return spec


def services() -> dict[str, Any]:
    """The services of the compose file."""
    found: dict[str, Any] = yaml.safe_load(text("compose.yaml"))["services"]
    return found


def command_lines() -> dict[str, list[str]]:
    """What each file starts, as words that begin with ``taskrouter``."""
    image = dict(instructions())
    entry = json.loads(image["ENTRYPOINT"])
    local = services()["taskrouter"]["command"][-1].partition("exec ")[2]
    return {
        "systemd": ["taskrouter", *shlex.split(unit()["ExecStart"])[1:]],
        "docker": entry + json.loads(image["CMD"]),
        "kubernetes": entry + pod()["containers"][0]["args"],
        "compose": shlex.split(local),
        "compose health": services()["taskrouter"]["healthcheck"]["test"][1:],
    }


def option(words: list[str], name: str) -> str:
    """The value of an option of a command line."""
    return words[words.index(name) + 1]


@pytest.mark.parametrize("where", command_lines())
def test_the_commands_exist(where: str) -> None:
    """Each command has the options it is given."""
    check(command_lines()[where])


def test_a_wrong_command_is_found() -> None:
    """The test above would notice."""
    for line in ("taskrouter rum shop:worker", "taskrouter run shop:worker --graze 3"):
        with pytest.raises(click.UsageError):
            check(line)


def test_a_stop_gets_more_time_than_the_grace() -> None:
    """What stops the worker waits longer than the handlers may take."""
    given = {
        "systemd": int(unit()["TimeoutStopSec"]),
        "docker": int(services()["shop"]["stop_grace_period"].removesuffix("s")),
        "kubernetes": int(pod()["terminationGracePeriodSeconds"]),
    }
    for where, seconds in given.items():
        assert seconds > float(option(command_lines()[where], "--grace")) + 5, where


def test_settings_are_those_of_the_program() -> None:
    """Every file sets the variables that the program reads, and none has a secret of a real account."""
    read = set(re.findall(r'os\.environ\["(\w+)"\]', text("shop.py")))
    assert read == SETTINGS == set(re.findall(r"^(\w+)=", text("shop.env.example"), re.MULTILINE))
    with LocalTaskRouter(seed=DEVELOPMENT_SEED) as router:
        development = {
            "TWILIO_ACCOUNT_SID": router.account_sid,
            "TWILIO_API_KEY": router.signing_key_sid,
            "TWILIO_API_SECRET": router.signing_key_secret,
            "TASKROUTER_WORKSPACE_SID": router.workspace_sid,
            "TASKROUTER_WORKER_SID": router.add_worker("Alice"),
            "TASKROUTER_LOCAL_URL": "http://taskrouter:4100",
        }
    assert services()["shop"]["environment"] == development
    assert pod()["containers"][0]["envFrom"] == [{"secretRef": {"name": "shop-taskrouter"}}]
    assert "EnvironmentFile" in unit() and not SETTINGS & set(re.findall(r"\w+", text("Dockerfile")))


def test_the_unit(tmp_path: Path) -> None:
    """systemd accepts the unit, but for the program that is not installed here."""
    assert unit()["Restart"] == "always" and unit()["WantedBy"]
    if shutil.which("systemd-analyze") is None:
        return
    copy = tmp_path / "taskrouter-worker.service"
    copy.write_text(text("taskrouter-worker.service").replace("/opt/shop/venv/bin/taskrouter", sys.executable))
    ended = subprocess.run(
        ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    ours = [line for line in ended.stderr.splitlines() if "taskrouter" in line]
    assert ours == [], ended.stderr


def test_the_image() -> None:
    """The image is of a named version, runs as a plain user, copies what is there, and starts without a shell."""
    found = instructions()
    names = [name for name, _ in found]
    assert names[0] == "FROM" and re.fullmatch(r"python:3\.\d+-slim", found[0][1])
    assert names.count("USER") == 1 and names.index("USER") < names.index("ENTRYPOINT")
    for name, rest in found:
        if name == "COPY":
            assert all((DEPLOY / each).exists() for each in rest.split()[:-1])
        if name in ("ENTRYPOINT", "CMD"):
            assert isinstance(json.loads(rest), list)
        assert "sudo" not in rest and "latest" not in rest and name != "ADD"
    healthcheck = dict(found)["HEALTHCHECK"]
    assert f":{option(command_lines()['docker'], '--health-port')}/live" in healthcheck
    compile(json.loads(healthcheck.partition("CMD ")[2])[2], "HEALTHCHECK", "exec")


def test_the_compose_file() -> None:
    """Services that wait for others name ones that are there, and that have a health check."""
    for service in services().values():
        for name, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"} and "healthcheck" in services()[name]
        assert ("image" in service) != ("build" in service)
    assert (DEPLOY / services()["shop"]["build"] / "Dockerfile").exists()


def test_the_manifest() -> None:
    """One pod at a time, selected by its label, probed at the port that answers on every interface."""
    manifest = yaml.safe_load(text("kubernetes.yaml"))
    spec, (container,) = manifest["spec"], pod()["containers"]
    assert (manifest["apiVersion"], manifest["kind"]) == ("apps/v1", "Deployment")
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("liveness", "readiness")}
    assert {name: probe["path"] for name, probe in probes.items()} == {"liveness": "/live", "readiness": "/ready"}
    words = command_lines()["kubernetes"]
    assert {ports[probe["port"]] for probe in probes.values()} == {int(option(words, "--health-port"))}
    assert option(words, "--health-host") == "0.0.0.0"
    assert pod()["securityContext"]["runAsNonRoot"] and container["securityContext"]["readOnlyRootFilesystem"]


@pytest.mark.parametrize("where", ["systemd", "docker"])
def test_a_deployed_program_is_probed_and_drains(where: str, tmp_path: Path) -> None:
    """The command of a file serves a task, answers the manifest's probes, and drains on SIGTERM."""
    shutil.copy(DEPLOY / "shop.py", tmp_path)
    words = command_lines()[where]
    # Port and interface of the file belong to the machine of the deployment.
    words[words.index("--health-port") + 1] = "0"
    with LocalTaskRouter(seed=DEVELOPMENT_SEED) as router:
        alice = router.add_worker("Alice", activity="Offline")
        given = {**services()["shop"]["environment"], "TASKROUTER_LOCAL_URL": router.url}
        log = tmp_path / "log"
        with Program("twilio_taskrouter_worker", *words[1:], folder=tmp_path, log=log, **given) as program:
            task = router.create_task({"order": 1})
            eventually(lambda: router.task(task).assignment_status == "completed", PATIENCE, program.said)
            port = program.wait_for(r"Health is answered at http://[\d.]+:(\d+)/live and /ready")
            for path in ("/live", "/ready"):
                assert requests.get(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE).status_code == 200
            assert program.stop() == 0, program.said()
        assert router.worker(alice).activity_name == "Offline"
        assert router.open_sessions(alice) == 0


def test_a_missing_setting_ends_the_program(tmp_path: Path) -> None:
    """Where a secret was not mounted the program ends, and its log names the variable."""
    shutil.copy(DEPLOY / "shop.py", tmp_path)
    given = {**services()["shop"]["environment"]}
    del given["TWILIO_API_SECRET"]
    command = ("twilio_taskrouter_worker", "run", "shop:worker")
    with Program(*command, folder=tmp_path, log=tmp_path / "log", **given) as program:
        assert program.process.wait(timeout=PATIENCE) == 1
        assert "KeyError: 'TWILIO_API_SECRET'" in program.said()


def test_a_port_in_use_ends_the_program(tmp_path: Path) -> None:
    """The health port of somebody else is a sentence, not a traceback."""
    shutil.copy(DEPLOY / "shop.py", tmp_path)
    with LocalTaskRouter() as router:
        taken = router.url.rpartition(":")[2]
        command = ("twilio_taskrouter_worker", "run", "shop:worker", "--health-port", taken)
        given = services()["shop"]["environment"]
        with Program(*command, folder=tmp_path, log=tmp_path / "log", **given) as program:
            assert program.process.wait(timeout=PATIENCE) == 1
            assert "Address already in use" in program.said() and "Traceback" not in program.said()
