"""The built program as a process, for the tests that are written in Python."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
LISTENING = "listening on "


@contextmanager
def running_service(
    command: Sequence[str | Path] = (), settings: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Runs the service on a free port with a PostgreSQL of its own; gives `http://127.0.0.1:…`.

    The command is that of the debug build, or of `ONRECORD`, if none is given. Settings are variables.
    Whatever happens inside, the service is stopped; it must then exit with 0 and leave no
    PostgreSQL behind.
    """
    signal.signal(signal.SIGTERM, _exit)
    with tempfile.TemporaryDirectory(prefix="onrecord-") as directory:
        # If we are root, PostgreSQL runs as another user, who must get in.
        os.chmod(directory, 0o755)
        data, log = Path(directory, "data"), Path(directory, "log")
        process = _start(command, data, log, settings or {})
        try:
            yield _address(process, log)
            _stop(process)
            _check(process.returncode == 0, f"the service ended with {process.returncode}", log)
            left = data / "postgres" / "postmaster.pid"
            _check(not left.exists(), "the service left its PostgreSQL running", log)
        finally:
            _stop(process)


@contextmanager
def keyed_service() -> Iterator[tuple[str, str]]:
    """The same, for those who show a key; gives the address and the secret of a key that is good for everything."""
    with tempfile.TemporaryDirectory(prefix="onrecord-keys-") as directory:
        keys = str(Path(directory, "keys.toml"))
        command = [_program(), "key", "new", "--api-keys-file", keys]
        command += [f"--scope={scope}" for scope in ("predict", "read", "label", "admin")]
        made = subprocess.run(command, check=True, capture_output=True, text=True)
        with running_service(settings={"API_KEYS_FILE": keys}) as address:
            yield address, made.stdout.strip()


def _program() -> str | Path:
    return os.environ.get("ONRECORD") or ROOT / "target" / "debug" / "onrecord"


def _start(
    command: Sequence[str | Path], data: Path, log: Path, settings: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    command = command or [_program()]
    theirs = {name for name in os.environ if name == "DATABASE_URL" or name.startswith("PG")}
    environment = {name: value for name, value in os.environ.items() if name not in theirs}
    environment |= {"LISTEN": "127.0.0.1:0", "DATA_DIR": str(data), "LOG_FORMAT": "json"}
    environment |= settings
    with log.open("wb") as output:
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Waits until the service says where it listens."""
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up and process.poll() is None:
        # What follows the last line break is not written to its end yet.
        for line in log.read_text().split("\n")[:-1]:
            message = str(json.loads(line)["fields"].get("message", ""))
            if message.startswith(LISTENING):
                return message.removeprefix(LISTENING).split(";")[0]
        time.sleep(0.05)
    _check(False, "the service does not listen", log)
    raise AssertionError


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _check(holds: bool, complaint: str, log: Path) -> None:
    if not holds:
        sys.exit(f"{complaint}; the end of its log:\n{log.read_text()[-4000:]}")


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)
