"""One check, one session.

``nox --list`` names them, ``nox -s lint`` runs one, ``nox -s "tests(3.12)" -- -k serve`` some tests on one Python.

``.ci/run`` runs the same sessions, from a clean copy of the checkout.
"""

from __future__ import annotations

import glob
import json
import os
import secrets
import shutil
import sys
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "format", "types", "docs", "tests"]
nox.options.error_on_missing_interpreters = True

# The tests start hundreds of interpreters. Each would compile the same files again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

ROOT = Path(__file__).parent
JS_PACKAGES = [
    "npm:twilio-taskrouter@2.1.1",
    "npm:twilio",
    "npm:twilio-3.0.0@npm:twilio@3.0.0",
    "npm:twilio-cli",
    "npm:axe-core",
]
"""The official clients, and the rules of accessibility, for the tests; ``.ci/run`` reads these lines too."""
COVERAGE_PERCENT = 99
TYPES_KNOWN = 0.99
"""Share of the exported symbols whose type is written down, for users of another type checker."""


def interpreters() -> dict[str, str]:
    """Return the path of each supported CPython on this machine, by its version: on PATH, or installed by pyenv."""
    found = {f"{sys.version_info.major}.{sys.version_info.minor}": sys.executable}
    pyenv = os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv"))
    for minor in range(10, 15):
        version = f"3.{minor}"
        # pyenv's shims are on PATH for every version, also where they refuse to start it: its own folders come first.
        installed = sorted(glob.glob(f"{pyenv}/versions/{version}.*/bin/python"))
        on_path = shutil.which(f"python{version}")
        if installed:
            found.setdefault(version, installed[-1])
        elif on_path and "/shims/" not in on_path:
            found.setdefault(version, on_path)
    return dict(sorted(found.items(), key=lambda item: int(item[0].split(".")[1])))


PYTHONS = interpreters()


@nox.session
def lint(session: nox.Session) -> None:
    """Rules of ruff, spelling, and the layers that may import each other."""
    session.install(".[lint]")
    session.run("ruff", "check", ".")
    session.run("codespell")
    session.run("lint-imports")


@nox.session
def format(session: nox.Session) -> None:
    """Refuse a file that ruff would format differently; ``-- --fix`` formats instead."""
    session.install("ruff>=0.9")
    fix = "--fix" in session.posargs
    session.run("ruff", "format", *([] if fix else ["--check"]), ".")


@nox.session
def types(session: nox.Session) -> None:
    """Strict mypy over everything, pyright, the types of what is public, and the statements about them."""
    session.install(".[test,docs,dev,types]")
    session.run("mypy")
    session.run("pyright")
    # Elsewhere: in the checkout it would look at that, and not at the installed package.
    with session.chdir(session.create_tmp()):
        command = ["pyright", "--verifytypes", "twilio_taskrouter_worker", "--ignoreexternal", "--outputjson"]
        output = str(session.run(*command, silent=True, success_codes=[0, 1]))
    known = json.loads(output[output.index("{") :])["typeCompleteness"]["completenessScore"]
    session.log(f"{known:.1%} of what the package exports has a known type")
    if known < TYPES_KNOWN:
        session.error(f"less than {TYPES_KNOWN:.0%}: run {' '.join(command[:-1])}")
    session.run("pytest", "-p", "no:cacheprovider", "tests/unit/test_typing.py")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning is an error."""
    session.install(".[docs]")
    for page in ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY"):
        if (ROOT / f"{page}.rst").exists():
            session.run("python", "-m", "docutils", "--report=info", "--halt=warning", f"{page}.rst", os.devnull)
    output = session.posargs[0] if session.posargs else session.create_tmp()
    session.run("sphinx-build", "-q", "-W", "--keep-going", "-b", "html", "docs", f"{output}/html")


@nox.session
@nox.parametrize("python", list(PYTHONS.values()), ids=list(PYTHONS))
def tests(session: nox.Session) -> None:
    """Run the quick tests on one Python; arguments go to pytest."""
    session.install(".[test]")
    session.run("pytest", *(session.posargs or ["-n", "auto"]), env=_npm(session))


@nox.session(python=PYTHONS.get("3.10", sys.executable))
def lowest(session: nox.Session) -> None:
    """Run the tests with the oldest declared version of each direct dependency."""
    session.run_install("uv", "pip", "install", "--resolution", "lowest-direct", ".[test]", external=True)
    session.run("pytest", *(session.posargs or ["-n", "auto"]))


@nox.session
def interop(session: nox.Session) -> None:
    """Run the tests with peers: the official clients, a browser, made-up requests. None may be skipped."""
    session.install(".[test,peers]")
    browser = [
        "tests/integration/local/test_browser.py",
        *glob.glob("tests/integration/local/console/test_browser_*.py"),
    ]
    paths = ["tests/interop", *sorted(browser)]
    log = Path(session.create_tmp()) / "interop.log"
    with log.open("w", encoding="utf-8") as output:
        arguments = ["-n", "auto", "-m", "slow or not slow", *paths, *session.posargs]
        session.run("pytest", *arguments, env=_npm(session, needed=True), stdout=output, success_codes=[0, 1])
    text = log.read_text(encoding="utf-8")
    session.log(text[-3000:])
    # Without a browser on the machine its tests have nothing to show; everything else comes with this session.
    skipped = [line for line in text.splitlines() if line.startswith("SKIPPED") and "hromium" not in line]
    if skipped or " failed" in text.splitlines()[-1] or " passed" not in text.splitlines()[-1]:
        session.error("\n".join(["tests with peers failed or were skipped", *skipped]))


@nox.session
def long(session: nox.Session) -> None:
    """Run the tests that take long: a plain run of pytest leaves them out."""
    session.install(".[test]")
    arguments = session.posargs or ["-n", "auto"]
    session.run("pytest", "-m", "slow", "--ignore=tests/interop", *arguments, env=_npm(session))
    # Rules that hold for whatever Hypothesis makes up: the quick tests make up less.
    made_up = "tests/unit/local/engine/expressions/test_comparisons.py"
    session.run("pytest", "-n", "auto", "--hypothesis-profile", "thorough", made_up)
    # Last, as all other tests use the standard library: the rules for JSON with orjson.
    session.install(".[test,speed]")
    about_json = ["tests/unit/test_json.py", "tests/unit/test_checks.py", "tests/integration/client/test_attributes.py"]
    session.run("pytest", "-n", "auto", *about_json)


@nox.session
def chaos(session: nox.Session) -> None:
    """Run the chaos, garbage, crash, hostile and restart runs at full length, by hand."""
    session.install(".[test]")
    session.run("python", "-m", "tests.chaos.chaos", "--seed", "1")
    session.run("python", "-m", "tests.chaos.garbage", "--seed", "1", "--cases", "10000")
    session.run("python", "-m", "tests.chaos.crash", "--rounds", "200", "--seed", "2024")
    session.run("python", "-m", "tests.chaos.hostile", "--sockets", "10000")
    session.run("python", "-m", "tests.chaos.restarts", "--rounds", "500", "--seed", "1")
    session.run("python", "-m", "tests.chaos.order")


@nox.session
def endurance(session: nox.Session) -> None:
    """Run 50 Workers for an hour through faults and restarts, by hand; ``-- --minutes 5`` is shorter."""
    session.install(".[test]", "matplotlib")
    arguments = session.posargs or ["--csv", "endurance.csv", "--plot", "endurance.svg"]
    session.run("python", "-m", "tests.endurance", *arguments)


@nox.session
def simulation(session: nox.Session) -> None:
    """Simulate client and service for an hour with fresh seeds, and check that deliberate defects are found."""
    session.install(".[test]")
    first = str(secrets.randbelow(10**9))
    session.run("python", "-m", "tests.simulation", "--seeds", first, "--minutes", "60", "--processes", "2")
    session.run("python", "-m", "tests.simulation", "--mutations")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure the engine and the service; figures of a shared machine are read as ratios."""
    session.install(".[test,speed]")
    session.run("python", "-m", "tests.benchmarks.engine")
    session.run("python", "-m", "tests.benchmarks.service")


@nox.session
def dist(session: nox.Session) -> None:
    """Build wheel and sdist, check their metadata, and try the wheel in an empty environment."""
    before = _files()
    session.install("--no-deps", ".")
    if left := _files() - before:
        session.error(f"pip install . left files in the checkout: {', '.join(map(str, sorted(left)))}")
    session.install("build", "twine", "check-wheel-contents")
    target = session.create_tmp() + "/dist"
    shutil.rmtree(target, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", target, silent=True)
    session.run("twine", "check", "--strict", *glob.glob(f"{target}/*"))
    session.run("check-wheel-contents", *glob.glob(f"{target}/*.whl"))
    wheel = glob.glob(f"{target}/*.whl")[0]
    session.run("python", "-m", "venv", f"{target}/empty")
    session.run(f"{target}/empty/bin/pip", "install", "--quiet", f"{wheel}[local]", external=True)
    session.run(f"{target}/empty/bin/taskrouter", "demo", external=True)


def _files() -> set[Path]:
    """Everything in the checkout but what nox itself keeps there."""
    return {path for path in ROOT.rglob("*") if not {".nox", ".git", "__pycache__"} & set(path.parts)}


def _npm(session: nox.Session, *, needed: bool = False) -> dict[str, str]:
    """Install the official clients from npm once, and return the variable that points the tests at them."""
    variable = "TASKROUTER_TEST_NODE_MODULES"
    if variable in os.environ:
        return {variable: os.environ[variable]}
    if shutil.which("npm") is None:
        if needed:
            session.error("npm is not on this machine; the official JavaScript clients come from there")
        return {}
    folder = ROOT / ".nox" / "npm"
    if not (folder / "node_modules").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text("{}", encoding="utf-8")
        packages = [name.removeprefix("npm:") for name in JS_PACKAGES]
        with session.chdir(folder):
            session.run("npm", "install", "--no-audit", "--no-fund", "--loglevel=error", *packages, external=True)
    return {variable: str(folder / "node_modules")}
