"""Has sslscan look at the service over HTTPS; whatever is weak is a failure."""

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from service import running_service  # noqa: E402

NEW_ENOUGH = {"tls 1.2", "tls 1.3"}
# What every cipher suite must have one of: nobody can change what is sent.
AUTHENTICATED = ("GCM", "POLY1305", "CCM")
# And what those of TLS 1.2 must begin with: who gets the key later cannot read what was sent.
FORWARD_SECRET = "ECDHE-"


def make_certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate that nobody has signed but its owner, with an RSA key, and that key."""
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command += ["-addext", "basicConstraints=critical,CA:FALSE"]
    command += ["-out", str(certificate), "-keyout", str(key)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def scan(address: str) -> ElementTree.Element:
    """What sslscan finds there."""
    command = ["sslscan", "--xml=-", "--no-colour", address.removeprefix("https://")]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = ElementTree.fromstring(output).find("ssltest")
    if found is None:
        sys.exit(f"sslscan found nothing to test:\n{output}")
    return found


def weaknesses(found: ElementTree.Element) -> Iterator[str]:
    """Everything that should not be as it was found."""
    enabled = set()
    for it in found.iter("protocol"):
        if it.get("enabled") == "1":
            enabled.add(f"{it.get('type')} {it.get('version')}")
    if enabled != NEW_ENOUGH:
        yield f"the protocols are {sorted(enabled)}"

    suites = [it for it in found.iter("cipher") if it.get("status") in ("preferred", "accepted")]
    if len({it.get("sslversion") for it in suites}) != len(NEW_ENOUGH):
        yield "some protocol has no cipher suite"
    for it in suites:
        name, bits = it.get("cipher", ""), int(it.get("bits", "0"))
        modern = it.get("sslversion") == "TLSv1.3" or name.startswith(FORWARD_SECRET)
        if bits < 128 or not modern or not any(mode in name for mode in AUTHENTICATED):
            yield f"the cipher suite {name} with {bits} bits"

    for it in found.iter("group"):
        if int(it.get("bits", "0")) < 128:
            yield f"keys are exchanged by {it.get('name')}"
    for it in found.iter("compression"):
        if it.get("supported") == "1":
            yield "what is sent is compressed"
    for it in found.iter("renegotiation"):
        if it.get("supported") == "1":
            yield "sessions are renegotiated"
    for it in found.iter("heartbleed"):
        if it.get("vulnerable") == "1":
            yield "memory is sent to whom asks for it: Heartbleed"

    keys = list(found.iter("pk"))
    if not keys:
        yield "there is no certificate"
    for it in keys:
        if it.get("type") != "RSA" or int(it.get("bits", "0")) < 2048:
            yield f"a key {it.get('type')} of {it.get('bits')} bits"
    for it in found.iter("signature-algorithm"):
        if "sha1" in (it.text or "").lower() or "md5" in (it.text or "").lower():
            yield f"a certificate is signed by {(it.text or '').strip()}"


def main() -> None:
    program = os.environ.get("ONRECORD") or str(ROOT / "target" / "debug" / "onrecord")
    with tempfile.TemporaryDirectory(prefix="onrecord-tls-") as directory:
        certificate, key = make_certificate(Path(directory))
        command = [program, "--tls-cert", str(certificate), "--tls-key", str(key)]
        with running_service(command) as address:
            if not address.startswith("https://"):
                sys.exit(f"the service answers at {address}")
            found = scan(address)
    for it in found.iter("cipher"):
        print(it.get("sslversion"), it.get("cipher"), it.get("bits"), "bits")
    if weak := list(weaknesses(found)):
        sys.exit("weak: " + "; ".join(weak))
    print("sslscan found nothing weak")


if __name__ == "__main__":
    main()
