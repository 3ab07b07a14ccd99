"""The lowest versions that settings.ini allows, as constraints for pip: python tests/lowest.py > constraints.txt

torch>=2.6 becomes torch==2.6.*, and a version of three numbers itself. Needs nothing but Python.
"""

import configparser
import re
from pathlib import Path

SETTINGS = Path(__file__).resolve().parents[1] / "settings.ini"
KINDS = ("requirements", "course_requirements", "site_requirements", "dev_requirements")


def lowest(requirement: str) -> str:
    "One requirement, name>=version, held to that version and its mendings."
    found = re.fullmatch(r"([\w.-]+)>=(\d+(?:\.\d+)*)", requirement)
    if not found:
        raise ValueError(f"a requirement must be name>=version, got {requirement!r}")
    name, version = found.groups()
    numbers = version.split(".")
    if len(numbers) >= 3:
        return f"{name}=={version}"
    return f"{name}=={'.'.join((numbers + ['0'])[:2])}.*"


def constraints(settings: Path = SETTINGS) -> list[str]:
    config = configparser.ConfigParser(delimiters=["="], interpolation=None)
    config.read(settings, encoding="utf-8")
    return [lowest(r) for kind in KINDS for r in config["DEFAULT"][kind].split()]


if __name__ == "__main__":
    print("\n".join(constraints()))
