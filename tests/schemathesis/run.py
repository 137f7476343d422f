"""Lets Schemathesis try to catch the service not keeping to its document.

Options are handed on: `run.py --seed N` repeats a run, `run.py --max-time N` looks for N seconds.
"""

import os
import random
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent
sys.path.insert(0, str(TESTS))

from service import keyed_service  # noqa: E402

SECONDS = 75


def main() -> int:
    st = Path(sys.executable).with_name("st")
    options = ["--checks=all", "--mode=all", "--phases=examples,coverage,fuzzing,stateful"]
    options += [f"--max-time={SECONDS}", f"--seed={random.randrange(2**32)}"]
    options += ["--continue-on-failure", "--generation-database=none"]
    with keyed_service() as (address, secret):
        command = [st, f"--config-file={HERE / 'schemathesis.toml'}"]
        command += ["run", f"{address}/openapi.json", *options, *sys.argv[1:]]
        hooks = {"PYTHONPATH": str(HERE), "SCHEMATHESIS_HOOKS": "hooks", "ONRECORD_KEY": secret}
        # Away from the repository: Schemathesis leaves files where it runs.
        place, environment = TESTS.parent / "target", os.environ | hooks
        return subprocess.run(command, cwd=place, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
