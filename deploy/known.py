"""What all checks know: where things are, what the service takes, what a program says of a file."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

DEPLOY = Path(__file__).resolve().parent
ROOT = DEPLOY.parent
SERVICE = os.environ.get("ONRECORD", ROOT / "target/debug/onrecord")


def unknown(variables: Iterable[str]) -> list[str]:
    """The variables that are neither settings of the service nor followed as libpq's."""
    described = subprocess.check_output([SERVICE, "--help"], text=True)
    settings = set(re.findall(r"\[variable: (\w+)", described))
    libpq = Path(DEPLOY, "libpq.md").read_text()
    settings |= set(re.findall(r"`(PG\w+)` \| followed", libpq))
    return [f"{name} is no setting" for name in variables if name not in settings]


def run(command: list, quiet: bool = False, **options: object) -> list[str]:
    """What a program says, unless it is quiet, and if it fails."""
    if shutil.which(command[0]) is None:
        return [f"there is no {command[0]}: see the top of check.py"]
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    said = [line for line in ran.stdout.splitlines() if line.strip()]
    if ran.returncode == 0:
        return [] if quiet else said
    return said or [f"{command[0]} ends with {ran.returncode}"]
