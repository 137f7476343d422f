"""Runs the fuzz targets, from the corpus that is committed, for so many seconds each.

What is found and what is learned goes to target/fuzz; the checkout is not changed. Installs cargo-fuzz there if need be.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
OUT = ROOT / "target" / "fuzz"

# cargo-fuzz needs what only a nightly compiler allows, and is given it by this.
ENVIRONMENT = os.environ | {"RUSTC_BOOTSTRAP": "1", "PATH": f"{OUT / 'tools' / 'bin'}{os.pathsep}{os.environ['PATH']}"}

# An input may take so long and so much memory; a single allocation must stay far below what the largest input explains.
LIMITS = ["-timeout=10", "-rss_limit_mb=2048", "-malloc_limit_mb=256"]


def main():
    known = sorted(file.stem for file in (HERE / "fuzz_targets").glob("*.rs"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seconds", nargs="?", type=int, default=60, help="for each target, 60 if not given")
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(known)}; all if not given")
    asked = parser.parse_args()
    if unknown := set(asked.targets) - set(known):
        parser.error(f"there is no {', '.join(sorted(unknown))}")

    build()
    failed = [target for target in asked.targets or known if not run(target, asked.seconds)]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def build():
    if not shutil.which("cargo-fuzz", path=ENVIRONMENT["PATH"]):
        cargo("install", "cargo-fuzz", "--version", "0.13.2", "--locked", "--quiet", "--root", OUT / "tools")
    # The dependencies are fuzzed in the versions that are served.
    shutil.copyfile(ROOT / "Cargo.lock", HERE / "Cargo.lock")
    cargo("fuzz", "build", "--target-dir", OUT)


def cargo(*arguments):
    subprocess.run(["cargo", *arguments], cwd=ROOT, env=ENVIRONMENT, check=True)


def host():
    """What cargo-fuzz builds for: this machine."""
    said = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    return next(line.removeprefix("host: ") for line in said.splitlines() if line.startswith("host: "))


def run(target, seconds):
    """Whether nothing was found."""
    corpus, found = OUT / "corpus" / target, OUT / "found" / target
    shutil.copytree(HERE / "corpus" / target, corpus, dirs_exist_ok=True)
    found.mkdir(parents=True, exist_ok=True)
    before = set(found.iterdir())
    command = [OUT / host() / "release" / target, corpus]
    command += [f"-max_total_time={seconds}", f"-artifact_prefix={found}/", *LIMITS]
    dictionary = HERE / "dictionaries" / f"{target}.dict"
    if dictionary.exists():
        command.append(f"-dict={dictionary}")
    print(f"{target}: {seconds} s", flush=True)
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, errors="replace")
    if done.returncode == 0:
        print(done.stderr.strip().splitlines()[-1])
        return True
    print(done.stderr)
    for file in sorted(set(found.iterdir()) - before):
        print(f"{target} fails with {file}; to see it again: {command[0]} {file}")
    return False


main()
