"""The service as it was at an earlier commit: what was gained or lost since is measured in the same run."""

import os
import shutil
import subprocess
from pathlib import Path

from .places import ROOT, WORK
from .processes import run
from .progress import step

_DIRECTORY = WORK / "earlier"


def commit(revision: str) -> str:
    """The commit that is meant, in seven digits."""
    command = ["git", "rev-parse", "--verify", "--short=7", f"{revision}^{{commit}}"]
    return run(command, cwd=ROOT).strip()


def build(commit: str) -> Path:
    """Its service, built once and kept; gives where it is."""
    program = _DIRECTORY / f"api-{commit}"
    if program.exists():
        return program
    source, target = _DIRECTORY / "source", _DIRECTORY / "target"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    with step(f"built the service as of {commit}"):
        archive = subprocess.run(
            ["git", "archive", commit], cwd=ROOT, check=True, stdout=subprocess.PIPE
        )
        subprocess.run(["tar", "-x", "-C", source], input=archive.stdout, check=True)
        run(
            ["cargo", "build", "--quiet", "--release", "-p", "api"],
            cwd=source,
            env={**os.environ, "CARGO_TARGET_DIR": str(target)},
        )
    # The program was called `api` once.
    names = (target / "release" / name for name in ("onrecord", "api"))
    return next(name for name in names if name.exists()).rename(program)
