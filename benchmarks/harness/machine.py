"""What it was measured on, and with which versions."""

import datetime
import os
import platform
import shutil
import sys
from pathlib import Path

from .cluster import Cluster
from .places import ENVIRONMENTS, OHA, ROOT
from .processes import run

# The packages that a reader wants to know of, among the many that these bring along.
_PACKAGES = (
    "fastapi",
    "uvicorn",
    "uvloop",
    "sqlalchemy",
    "asyncpg",
    "mlflow",
    "onnxruntime",
    "scikit-learn",
    "torch",
    "mlserver",
    "mlserver-sklearn",
    "numpy",
)


def describe(cluster: Cluster) -> dict[str, object]:
    """Everything, in words."""
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": _machine(cluster.directory),
        "versions": _versions(cluster),
        "settings": cluster.settings(),
    }


def _machine(directory: Path) -> dict[str, str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "CPU": _cpu(),
        "cores": f"{os.cpu_count()}, shared by PostgreSQL, the load generator and the contestant",
        "memory": f"{memory:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "file system": run(
            ["findmnt", "-n", "-o", "FSTYPE,OPTIONS", "--target", directory]
        ).strip(),
        "virtualization": _hypervisor(),
    }


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _hypervisor() -> str:
    if shutil.which("systemd-detect-virt"):
        return run(["systemd-detect-virt"], check=False).strip()
    return "yes" if "hypervisor" in Path("/proc/cpuinfo").read_text() else "none seen"


def _versions(cluster: Cluster) -> dict[str, str]:
    versions = {
        "commit": _commit(),
        "rustc": run(["rustc", "--version"], cwd=ROOT).split()[1],
        "PostgreSQL": cluster.sql("postgres", "show server_version"),
        "wrk": run(["wrk", "-v"], check=False).split()[1],
        "oha": run([OHA, "--version"]).split()[1],
        "Python": platform.python_version(),
    }
    for python in sorted(ENVIRONMENTS.glob("*/bin/python")):
        environment = python.parent.parent.name
        listed = run(
            [python, "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"]
        )
        found = [line for line in listed.splitlines() if line.split("==")[0].lower() in _PACKAGES]
        if found:
            versions[f"Python packages, {environment}"] = ", ".join(
                line.replace("==", " ") for line in found
            )
    return versions


def _commit() -> str:
    try:
        changed = (
            "" if not run(["git", "status", "--porcelain"], cwd=ROOT).strip() else " and changes"
        )
        return run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT).strip() + changed
    except (RuntimeError, OSError):
        return f"unknown ({sys.platform})"
