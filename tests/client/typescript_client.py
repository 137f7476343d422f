"""A TypeScript client, generated from a document, and compiled."""

import json
import shutil
import subprocess
from pathlib import Path

from added import VALUES

SOURCES = Path(__file__).resolve().parent / "typescript"
PACKAGES = SOURCES / "node_modules"


def generate(document: Path, directory: Path, program: str) -> None:
    """Makes a project of the generated types, the scenario and the program, as somebody who uses the service has one."""
    # Files of an earlier run must not be compiled again.
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for name in ("package.json", "tsconfig.json", "scenario.ts", f"{program}.ts"):
        shutil.copy(SOURCES / name, directory)
    (directory / "node_modules").symlink_to(PACKAGES)
    _run("openapi-typescript", document, "--output", directory / "schema.d.ts")
    _run("tsc", "--project", directory)


def use(directory: Path, program: str, address: str, secret: str, is_later: bool) -> None:
    """Runs the program against the service at this address."""
    expected = json.dumps(VALUES if is_later else {})
    command = ["node", directory / "compiled" / f"{program}.js", address, secret, expected]
    subprocess.run(command, check=True)


def _run(program: str, *arguments: str | Path) -> None:
    subprocess.run([PACKAGES / ".bin" / program, *arguments], check=True, stdout=subprocess.DEVNULL)
