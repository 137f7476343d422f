"""Programs that run beside us, and end with us."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

Command = Sequence[str | Path]


@contextmanager
def running(
    command: Command, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a program in a process group of its own, which is gone afterwards."""
    # Appending, so that the log can be emptied while the program runs.
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes], by: int = signal.SIGTERM) -> None:
    """Stops a program that leads its process group, and whatever it has started."""
    if process.poll() is None:
        process.send_signal(by)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def run(
    command: Command,
    *,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
) -> str:
    """Runs a program to its end; gives what it prints."""
    done = subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=env,
        cwd=cwd,
    )
    if check and done.returncode != 0:
        name = " ".join(str(part) for part in command)[:300]
        raise RuntimeError(
            f"{name}\nended with {done.returncode}:\n{(done.stderr or done.stdout)[-3000:]}"
        )
    return str(done.stdout)


@contextmanager
def errors_into(log: Path) -> Iterator[None]:
    """What is written to standard error meanwhile, by us or by a program, goes to a file."""
    sys.stderr.flush()
    terminal = os.dup(2)
    try:
        with log.open("ab") as file:
            os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)


def wait_until(
    ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path, seconds: float = 60
) -> None:
    """Waits for a program that was started; its log says what is wrong if it does not get there."""
    give_up = time.monotonic() + seconds
    while not ready():
        if process.poll() is not None or time.monotonic() > give_up:
            state = "ended" if process.poll() is not None else "does not answer"
            raise RuntimeError(
                f"{process.args!r} {state}:\n{log.read_text(errors='replace')[-3000:]}"
            )
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def accepts(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as connection:
        connection.settimeout(1)
        return connection.connect_ex(("127.0.0.1", port)) == 0
