"""What the peers need to run: their Python environments, and the models that they load."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import cuda_stubs

HERE = Path(__file__).resolve().parent
NAMES = ("tutorial", "tuned", "mlserver", "inference")


def prepare(environments: Path, names: Iterable[str] = NAMES) -> None:
    """Makes what the peers of these names need, below `environments`, unless it is there and fits.

    The first time this downloads about 1.3 GB, half of it PyTorch; it needs `cc` and `objdump`.
    """
    environments = environments.resolve()
    for name in dict.fromkeys(names):
        MAKERS[name](environments)


def python(environments: Path, name: str = "python") -> Path:
    """The interpreter of an environment: `python` has all but MLServer, `mlserver` that."""
    return environments / name / "bin" / "python"


def artifact(environments: Path, name: str) -> Path:
    """A model that a service loads: `tutorial`, `tuned.onnx` or `mlserver`."""
    return environments / "models" / name


def _tutorial(environments: Path) -> None:
    _environment(environments, "python")
    _model(environments, "python", HERE / "tutorial" / "train.py", "tutorial")


def _tuned(environments: Path) -> None:
    _environment(environments, "python")
    _model(environments, "python", HERE / "tuned" / "to_onnx.py", "tuned.onnx")


def _mlserver(environments: Path) -> None:
    _environment(environments, "mlserver")
    directory = artifact(environments, "mlserver")
    directory.mkdir(parents=True, exist_ok=True)
    for settings in (HERE / "mlserver").glob("*.json"):
        shutil.copy(settings, directory)
    _model(environments, "mlserver", HERE / "mlserver" / "train.py", "mlserver/iris.joblib")


def _inference(environments: Path) -> None:
    _environment(environments, "python")
    requirements = HERE / "requirements-inference.txt"

    def make() -> None:
        _pip(environments, "python", "--no-deps", "--requirement", requirements)
        if sys.platform == "linux":
            cuda_stubs.write(_torch(environments))

    # Within the environment: made anew with it.
    mark = environments / "python" / "inference.made"
    _once(mark, [requirements, Path(cuda_stubs.__file__)], make)


MAKERS = {"tutorial": _tutorial, "tuned": _tuned, "mlserver": _mlserver, "inference": _inference}


def _environment(environments: Path, name: str) -> None:
    """A virtual environment with the requirements of its name."""
    requirements = HERE / f"requirements-{name}.txt"

    def make() -> None:
        directory = environments / name
        subprocess.run([sys.executable, "-m", "venv", "--clear", directory], check=True)
        _pip(environments, name, "--requirement", requirements)

    _once(environments / name / "made", [requirements], make)


def _model(environments: Path, name: str, script: Path, output: str) -> None:
    """A model that `script` makes in an environment."""
    target = artifact(environments, output)
    target.parent.mkdir(parents=True, exist_ok=True)
    command: list[str | Path] = [python(environments, name), "-B", script, target]
    inputs = [script, HERE / "classifier.py", HERE / f"requirements-{name}.txt"]
    mark = target.with_name(f"{target.name}.made")
    _once(mark, inputs, lambda: _run(command))


def _pip(environments: Path, name: str, *arguments: str | Path) -> None:
    options = ["--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
    _run([python(environments, name), "-m", "pip", "install", *options, *arguments])


def _run(command: list[str | Path]) -> None:
    print("+", *command, flush=True)
    # Our standard output may be read by a program; MLflow and pip talk a lot.
    subprocess.run(command, check=True, stdout=sys.stderr)


def _torch(environments: Path) -> Path:
    (package,) = (environments / "python" / "lib").glob("python3*/site-packages/torch")
    return package


def _once(mark: Path, inputs: list[Path], make: Callable[[], None]) -> None:
    """Calls `make`, unless it ended well before with these inputs; `mark` says so."""
    # A virtual environment works with its Python and in its place only.
    circumstances = f"{sys.version} {mark}".encode()
    content = b"".join(path.read_bytes() for path in inputs) + circumstances
    digest = hashlib.sha256(content).hexdigest()
    if mark.is_file() and mark.read_text() == digest:
        return
    mark.unlink(missing_ok=True)
    make()
    mark.write_text(digest)
