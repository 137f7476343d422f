"""The programs that a run needs and a fresh machine does not have."""

import os
import shutil
import subprocess
from pathlib import Path

from .cluster import find_programs
from .places import OHA, WORK
from .progress import say, step

_NO_CLUSTER = Path("/etc/postgresql-common/createcluster.d/onrecord-bench.conf")
_OHA_VERSION = "1.16.0"
# It is there to send requests at a rate far below what it can; half of the time to build it would go into optimizing.
_QUICK_BUILD = {
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "2",
}


def install() -> None:
    """wrk and PostgreSQL from Debian, oha from crates.io, where they are missing."""
    missing = []
    if shutil.which("wrk") is None:
        missing.append("wrk")
    if find_programs() is None:
        missing.append("postgresql")
    if missing:
        _packages(missing)
    if not OHA.exists():
        say("building oha")
        command = ["cargo", "install", "--quiet", "--locked", "oha", "--version", _OHA_VERSION]
        with step("built oha"):
            subprocess.run(
                [*command, "--root", str(WORK / "oha")],
                env={**os.environ, **_QUICK_BUILD},
                check=True,
            )


def _packages(names: list[str]) -> None:
    command = ["apt-get", "install", "-qq", "--no-install-recommends", *names]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise SystemExit(
            f"{' and '.join(names)} must be installed first; on Debian: sudo {' '.join(command)}"
        )
    # Debian's package would create a cluster, and start a server on it, which would take its share of the machine.
    _NO_CLUSTER.parent.mkdir(parents=True, exist_ok=True)
    _NO_CLUSTER.write_text("create_main_cluster = false\n")
    with step(f"installed {' and '.join(names)}"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], env=environment, check=True)
        subprocess.run([*command, "-y"], env=environment, check=True, stdout=subprocess.DEVNULL)
