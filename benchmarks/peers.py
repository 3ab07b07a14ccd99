"""Install the packages that we are measured beside, one by one, into the environment that runs this.

    .bench/bin/python benchmarks/peers.py

settings.ini names them, and what they need but do not ask for. Which came, in which version, and which failed and why,
is kept beside the environment and printed with every result.
"""

import json
import subprocess
import sys
from configparser import ConfigParser
from importlib import metadata
from pathlib import Path

STATE = Path(sys.prefix) / "peers.json"


def wanted(what: str = "bench_requirements") -> list[str]:
    "The requirements that settings.ini lists under a name."
    config = ConfigParser(delimiters=["="], interpolation=None)
    config.read(Path(__file__).resolve().parents[1] / "settings.ini", encoding="utf-8")
    return config["DEFAULT"][what].split()


def _run(*command: str) -> str:
    "What a command said last where it failed, or nothing."
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    said = (done.stderr or done.stdout).strip().splitlines()
    return (
        ""
        if done.returncode == 0
        else (said[-1][:200] if said else f"exit status {done.returncode}")
    )


def _pip(*requirements: str) -> str:
    return _run("-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements)


def install(requirement: str) -> dict[str, str]:
    "Install one peer and import it: its version, and what went wrong."
    name = requirement.split(">")[0].split("=")[0]
    if wrong := _pip(requirement):
        return {"name": name, "wrong": f"pip: {wrong}"}
    wrong = _run("-W", "ignore", "-c", f"import {name.replace('-', '_')}")
    version = metadata.version(name)
    return {"name": name, "version": version} | ({"wrong": f"import: {wrong}"} if wrong else {})


def installed() -> list[dict[str, str]]:
    "What the last installation found."
    return json.loads(STATE.read_text()) if STATE.is_file() else []


def usable() -> set[str]:
    return {peer["name"] for peer in installed() if "wrong" not in peer}


def main() -> None:
    found = []
    if wrong := _pip(*wanted("bench_extra_requirements")):
        print(
            f"what the peers need besides did not install: {wrong}"
        )  # those that do without it are measured
    for requirement in wanted():
        found.append(install(requirement))
        print(" ".join(f"{key}: {value}" for key, value in found[-1].items()), flush=True)
    STATE.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
