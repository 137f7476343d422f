"""Lets PyTorch's package from PyPI run on a processor without 2 GB of NVIDIA's libraries.

For Linux, PyPI only has PyTorch with CUDA, linked against libraries that it never calls without a
GPU. Each gets a stand-in with the names that PyTorch links against; whatever calls one of them is
killed. The kernels for the processor are PyTorch's own and untouched. The CUDA runtime is called
while PyTorch is loaded: it has to be the real one.
"""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Each library, and how the names begin that are looked for in it.
LIBRARIES = {
    "libcublas.so.13": "cublas(?!Lt)",
    "libcublasLt.so.13": "cublasLt",
    "libcudnn.so.9": "cudnn",
    "libcufft.so.12": "cufft",
    "libcufile.so.0": "cuFile",
    "libcupti.so.13": "cupti",
    "libcusparse.so.12": "cusparse(?!Lt)",
    "libcusparseLt.so.0": "cusparseLt",
    "libnccl.so.2": "p?nccl",
    "libnvrtc.so.13": "nvrtc",
    "libnvshmem_host.so.3": "nvshmem",
}

# A line of `objdump -T` for a name that is looked for elsewhere: in one version of it, or in any.
UNDEFINED = re.compile(r"\*UND\*\s+[0-9a-f]+\s+(?:\((?P<version>\S+)\)|Base)?\s+(?P<name>\w+)$")


def write(torch: Path) -> None:
    """Puts the stand-ins among the libraries of the package `torch`, where they are looked for."""
    libraries = torch / "lib"
    undefined = set(_undefined(libraries))
    for library, beginning in LIBRARIES.items():
        names = {name: version for name, version in undefined if re.match(beginning, name)}
        _compile(libraries / library, names)


def _undefined(libraries: Path) -> Iterator[tuple[str, str | None]]:
    """The names that PyTorch's own libraries look for elsewhere, and in which version."""
    for library in sorted(libraries.glob("libtorch*.so")):
        command = ["objdump", "-T", str(library)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        for line in output.splitlines():
            if found := UNDEFINED.search(line):
                yield found["name"], found["version"]


def _compile(library: Path, names: dict[str, str | None]) -> None:
    """Writes a shared library whose `names` are functions that end the process."""
    source = "".join(f"void {name}(void) {{ __builtin_trap(); }}\n" for name in sorted(names))
    versions = {version for version in names.values() if version}
    command = ["cc", "-shared", "-fPIC", "-nostdlib", "-w", f"-Wl,-soname,{library.name}"]
    with tempfile.NamedTemporaryFile("w", suffix=".map") as script:
        if versions:
            (version,) = versions
            script.write(f"{version} {{ *; }};\n")
            script.flush()
            command.append(f"-Wl,--version-script={script.name}")
        command += ["-x", "c", "-", "-o", str(library)]
        subprocess.run(command, input=source, check=True, text=True)
