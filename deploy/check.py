"""Checks the files in this directory: by the programs that will read them, and against the service.

Each check is also given a broken copy of what it checks, and must find what is wrong with it.
Needs systemd-analyze, haproxy, pgbouncer and promtool (Debian: systemd, haproxy, pgbouncer, prometheus), and the
built service: every variable that is set here must be one of its settings.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import kubernetes_validate
import yaml

from check_compose import check_compose, check_dashboard, check_prometheus
from known import DEPLOY, ROOT, SERVICE, run, unknown

# Out of 100, where 100 is a unit without any confinement.
EXPOSURE = 15

# What is found wrong with a text.
Check = Callable[[str], list[str]]


def main() -> int:
    failures = 0
    for name, text, check, breaks in checks():
        found = check(text)
        print(f"{name:23}", "; ".join(found) or "ok", flush=True)
        failures += bool(found)
        for old, new in breaks:
            if old not in text:
                print(f"{name:23} the control does not apply: {old!r}")
                failures += 1
            elif not check(text.replace(old, new)):
                print(f"{name:23} is not found: {new!r} for {old!r}")
                failures += 1
    return 1 if failures else 0


def checks() -> Iterator[tuple[str, str, Check, list[tuple[str, str]]]]:
    """What there is to check, how, and what each check has to find."""
    kubernetes = "\n---\n".join(map(Path.read_text, manifests()))
    yield "kubernetes", kubernetes, check_kubernetes, [
        ("  replicas: 3\n", "  replicas: three\n"),
        ("minReadySeconds", "minimumReadySeconds"),
        ("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
        ("runAsNonRoot: true", "runAsNonRoot: false"),
        ("targetPort: http", "targetPort: https"),
        ("path: /health/ready", "path: /ready"),
        ("name: THREADS", "name: WORKERS"),
        ("name: onrecord-writer", "name: onrecord-owner"),
        ("serviceAccountName: onrecord", "serviceAccountName: other"),
        ("args: [migrate]", "args: [migrat]"),
    ]
    kustomization = Path(DEPLOY, "kubernetes/kustomization.yaml").read_text()
    yield "kustomization", kustomization, check_kustomization, [("  - service.yaml\n", "")]
    containerfile = Path(DEPLOY, "Containerfile").read_text()
    yield "Containerfile", containerfile, check_containerfile, [
        ("WORKDIR /src", "WORKDIR src"),
        ("COPY weights/ weights/\n", "COPY wights/ wights/\n"),
        ("COPY faults/ faults/\n", ""),
        ("ENV LISTEN=", "ENV ADDRESS="),
    ]
    of_service = [("RestartPreventExitStatus=2", "RestartPreventExitStatus=3"), ("Restart=always", "Restart=alway")]
    for name, more in (("onrecord.service", of_service), ("onrecord-upkeep.service", [])):
        unit = Path(DEPLOY, "systemd", name).read_text()
        yield name, unit, partial(check_unit, name), more + [
            ("ProtectSystem=", "ProtectSytem="),
            ("CapabilityBoundingSet=\nAmbientCapabilities=\n", ""),
            ("LOG_FORMAT", "LOGFORMAT"),
            ("/usr/local/bin/onrecord", "/usr/local/bin/onrecord upkep"),
        ]
    timer = Path(DEPLOY, "systemd/onrecord-upkeep.timer").read_text()
    yield "onrecord-upkeep.timer", timer, partial(check_unit, "onrecord-upkeep.timer"), [
        ("OnBootSec=2min", "OnBootSec=soon"),
        ("[Timer]", "[Timers]"),
    ]
    compose = Path(DEPLOY, "compose.yaml").read_text()
    yield "compose", compose, check_compose, [
        ("restart: unless-stopped", "restart: unless-stoped"),
        ("command: [migrate]", "command: [migrat]"),
        ("      migrate: {condition", "      migrat: {condition"),
        ("./secrets/upkeep:", "./secrets/upkep:"),
        ("read_only: true", "read_only: false"),
        ("127.0.0.1:8000:8000", "8000:8000"),
        ("postgres:17.6-bookworm", "postgres:latest"),
        ("onrecord:0.1.0", "onrecord:0.1.1"),
        ("API_KEYS_FILE", "API_KEYS"),
        ("POSTGRES_PASSWORD_FILE", "POSTGRES_PASSWORD"),
        ("onrecord_writer@postgres", "onrecord_writer@database"),
        ("onrecord_writer@postgres", "onrecord_reader@postgres"),
        ("onrecord_writer@postgres", "onrecord_migrator@postgres"),
        ("./sql/roles.sql", "./roles.sql"),
        ("secrets/grafana", "secrets/grafana-admin"),
        ("      prometheus: {condition", "      promethus: {condition"),
        ("metrics:/prometheus", "figures:/prometheus"),
    ]
    prometheus = Path(DEPLOY, "compose/prometheus.yaml").read_text()
    yield "prometheus", prometheus, check_prometheus, [
        ("onrecord:8000", "onrecord:80"),
        ("scrape_interval", "scrap_interval"),
        ("alerts.yaml", "rules.yaml"),
    ]
    dashboard = Path(DEPLOY, "grafana/onrecord.json").read_text()
    yield "dashboard", dashboard, check_dashboard, [
        ("sum by (class)", "sum by class"),
        ('"uid": "${datasource}"', '"uid": "${source}"'),
        ('"query": "prometheus"', '"query": "loki"'),
    ]
    haproxy = Path(DEPLOY, "haproxy/haproxy.cfg").read_text()
    yield "haproxy", haproxy, check_haproxy, [("option redispatch", "option redistribute")]
    pgbouncer = Path(DEPLOY, "pgbouncer/pgbouncer.ini").read_text()
    yield "pgbouncer", pgbouncer, check_pgbouncer, [("pool_mode = trans", "pool_mood = trans")]


def manifests() -> list[Path]:
    files = sorted(Path(DEPLOY, "kubernetes").glob("*.yaml"))
    return [file for file in files if file.name != "kustomization.yaml"]


def check_kubernetes(text: str) -> list[str]:
    """Every object against its schema, every pod against what it may be, every name against what it names."""
    found = []
    objects = [it for it in yaml.safe_load_all(text) if it]
    for it in objects:
        try:
            kubernetes_validate.validate(it, "1.37", strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"{it['kind']}: {error.message}")
    specs = [it["spec"] for it in objects if it["kind"] in ("Deployment", "Job")]
    specs += [it["spec"]["jobTemplate"]["spec"] for it in objects if it["kind"] == "CronJob"]
    pods = [spec["template"] for spec in specs]
    accounts = [it["metadata"]["name"] for it in objects if it["kind"] == "ServiceAccount"]
    paths = yaml.safe_load(Path(ROOT, "openapi/openapi.yaml").read_text())["paths"]
    ports = {}
    for pod in pods:
        found += loose(pod["spec"])
        if pod["spec"]["serviceAccountName"] not in accounts:
            found.append(f"there is no service account {pod['spec']['serviceAccountName']}")
        for container in pod["spec"]["containers"]:
            found += unknown(variable["name"] for variable in container.get("env", ()))
            secret = "onrecord-owner" if container.get("args") else "onrecord-writer"
            if container.get("envFrom") != [{"secretRef": {"name": secret}}]:
                found.append(f"{container['name']} has not the settings of {secret}")
            found += run([SERVICE, *container.get("args", []), "--help"], quiet=True)
            names = {port["name"] for port in container.get("ports", [])}
            ports[pod["metadata"]["labels"]["app.kubernetes.io/name"]] = names
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                asked = container.get(probe, {}).get("httpGet")
                if asked and (asked["path"] not in paths or asked["port"] not in names):
                    found.append(f"{probe} asks {asked}")
    for service in (it["spec"] for it in objects if it["kind"] == "Service"):
        name = service["selector"]["app.kubernetes.io/name"]
        if service["ports"][0]["targetPort"] not in ports.get(name, ()):
            found.append(f"the service leads nowhere: {service}")
    for it in objects:
        selected = it["spec"].get("selector", {}).get("matchLabels") if "spec" in it else None
        if selected and not any(selected.items() <= pod["metadata"]["labels"].items() for pod in pods):
            found.append(f"{it['kind']} selects nothing: {selected}")
    return found


def loose(pod: dict) -> list[str]:
    """What a pod is allowed without need."""
    found = []
    if pod.get("automountServiceAccountToken") is not False:
        found.append("a token of Kubernetes is in the pod")
    if pod["securityContext"].get("seccompProfile") != {"type": "RuntimeDefault"}:
        found.append("every system call is allowed")
    if pod["securityContext"].get("runAsNonRoot") is not True or not pod["securityContext"].get("runAsUser"):
        found.append("root may run it")
    for container in pod["containers"]:
        context = container.get("securityContext", {})
        if context.get("allowPrivilegeEscalation") is not False:
            found.append("privileges may grow")
        if context.get("readOnlyRootFilesystem") is not True:
            found.append("the root file system may be written to")
        if context.get("capabilities") != {"drop": ["ALL"]}:
            found.append("capabilities are left")
        if "memory" not in container["resources"]["limits"]:
            found.append("memory has no limit")
    return found


def check_kustomization(text: str) -> list[str]:
    listed = set(yaml.safe_load(text)["resources"])
    there = {file.name for file in manifests()}
    return [f"listed or there, not both: {name}" for name in sorted(listed ^ there)]


def check_containerfile(text: str) -> list[str]:
    """By hadolint, and whether cargo understands what the image is built from."""
    with tempfile.TemporaryDirectory() as directory:
        found = run([Path(sys.executable).with_name("hadolint"), "-"], input=text)
        ignored = Path(ROOT, ".dockerignore").read_text().splitlines()
        for copied in re.findall(r"^COPY (?!--)(.+)$", text, re.MULTILINE):
            *sources, target = copied.split()
            for source in sources:
                name = source.rstrip("/")
                if f"!{name}" not in ignored or not Path(ROOT, name).exists():
                    found.append(f"{name} is not there to copy")
                elif Path(ROOT, name).is_dir():
                    skip = shutil.ignore_patterns("node_modules", "__pycache__", "target")
                    shutil.copytree(Path(ROOT, name), Path(directory, target), ignore=skip)
                else:
                    shutil.copy(Path(ROOT, name), Path(directory, target))
        metadata = ["cargo", "metadata", "--locked", "--format-version", "1", "--offline", "--no-deps"]
        found += run(metadata, cwd=directory, quiet=True)
    return found + unknown(re.findall(r"(\w+)=", " ".join(re.findall(r"^ENV (.+)$", text, re.MULTILINE))))


def is_unit(file: Path) -> bool:
    return file.suffix in (".service", ".timer")


def check_unit(name: str, text: str) -> list[str]:
    with tempfile.TemporaryDirectory() as directory:
        for unit in filter(is_unit, Path(DEPLOY, "systemd").iterdir()):
            content = text if unit.name == name else unit.read_text()
            # systemd wants a program to be there.
            Path(directory, unit.name).write_text(content.replace("/usr/local/bin/onrecord", "/bin/true"))
        unit = Path(directory, name)
        found = run(["systemd-analyze", "verify", "--man=no", unit])
        if unit.suffix == ".service":
            security = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", unit]
            found += [line for line in run(security, quiet=True) if "exposure" in line]
    for arguments in re.findall(r"^ExecStart=/usr/local/bin/onrecord(.*)$", text, re.MULTILINE):
        found += run([SERVICE, *arguments.split(), "--help"], quiet=True)
    if "Restart=always" in text:
        mistaken = subprocess.run([SERVICE, "--listen", "nowhere"], stderr=subprocess.DEVNULL).returncode
        if f"RestartPreventExitStatus={mistaken}\n" not in text:
            found.append(f"a setting that cannot be used ends the service with {mistaken}, and it is started again for ever")
    return found + unknown(re.findall(r"^Environment=(\w+)=", text, re.MULTILINE))


def check_haproxy(text: str) -> list[str]:
    replicas = {f"ONRECORD_{n}": f"127.0.0.1:{n}" for n in (1, 2, 3)}
    environment = {**os.environ, **replicas, "LISTEN": "127.0.0.1:1", "HAPROXY_SOCKET": "/tmp/none"}
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "haproxy.cfg")
        file.write_text(text)
        return run(["haproxy", "-q", "-c", "-f", file], env=environment)


def check_pgbouncer(text: str) -> list[str]:
    """It has no way to check its configuration but to start with it."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        file, log, users = (Path(directory, name) for name in ("pgbouncer.ini", "log", "users"))
        users.touch()
        # Nobody connects: at a port that may be in use it would not start.
        instead = f"listen_addr =\nunix_socket_dir = {directory}\nauth_file = {users}\n"
        file.write_text(f"{text}\n{instead}")
        user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        if user:
            os.chown(directory, 65534, 65534)
        with log.open("w") as output:
            process = subprocess.Popen([*user, "pgbouncer", file], stderr=output, stdout=output)
        try:
            for _ in range(100):
                said = log.read_text()
                if "process up" in said or process.poll() is not None:
                    break
                time.sleep(0.05)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
        bad = [line for line in said.splitlines() if re.search("ERROR|FATAL|WARNING", line)]
        return bad or ([] if "process up" in said else [f"it does not start: {said}"])


if __name__ == "__main__":
    sys.exit(main())
