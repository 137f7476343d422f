"""Checks compose.yaml and what it brings along: by the specification of Compose, by promtool, and against the service."""

import json
import re
import tempfile
import tomllib
from pathlib import Path

import compose_spec
import yaml

from known import DEPLOY, ROOT, SERVICE, run, unknown


def check_compose(text: str) -> list[str]:
    options = compose_spec.PyOptions()
    options.apply_merge = True
    try:
        options.from_yaml(text).validate()
    except (TypeError, ValueError) as error:
        return [str(error)]
    compose = yaml.safe_load(text)
    services = compose["services"]
    found = []
    for name, service in services.items():
        found += [f"{name}: {what}" for what in loose(service) + missing(service, compose)]
        found += [f"{name} waits for {other}" for other in service.get("depends_on", ()) if other not in services]
        if service["image"].startswith("onrecord"):
            found += [f"{name}: {what}" for what in ours(service, services)]
        # The image of the service has no client that could ask.
        elif "healthcheck" not in service:
            found.append(f"{name} has no health check")
    reachable = services["onrecord"]["environment"].values()
    if any("migrator" in value for value in reachable):
        found.append("whoever takes over the service owns the record")
    return found


def ours(service: dict, services: dict) -> list[str]:
    """What is wrong with a container of our image: its version, its variables, its database."""
    found = unknown(service["environment"])
    version = tomllib.loads(Path(ROOT, "Cargo.toml").read_text())["workspace"]["package"]["version"]
    if service["image"] != f"onrecord:{version}":
        found.append(f"{service['image']} is not the version {version}")
    found += run([SERVICE, *service.get("command", []), "--help"], quiet=True)
    user, host, database = re.split("[@/]", service["environment"]["DATABASE_URL"].removeprefix("postgresql://"))
    if host not in services or database != services[host]["environment"]["POSTGRES_DB"]:
        found.append("DATABASE_URL leads nowhere")
    if f"alter role {user} password" not in Path(DEPLOY, "compose/passwords.sql").read_text():
        found.append(f"{user} gets no password")
    return found


def loose(service: dict) -> list[str]:
    """What a container is allowed without need."""
    found = []
    if service.get("read_only") is not True:
        found.append("the root file system may be written to")
    if service.get("cap_drop") != ["ALL"] or "cap_add" in service or service.get("privileged"):
        found.append("capabilities are left")
    if service.get("security_opt") != ["no-new-privileges:true"]:
        found.append("privileges may grow")
    if not re.fullmatch(r".+:v?\d+(\.\d+)+(-\w+)?", service["image"]):
        found.append(f"{service['image']} may be another one tomorrow")
    for port in service.get("ports", ()):
        if not port.startswith("127.0.0.1:"):
            found.append(f"{port} is open to the network")
    for variable in service.get("environment", ()):
        if "PASSWORD" in variable and not variable.endswith("_FILE"):
            found.append(f"{variable} can be seen by whoever may look at containers")
    return found


def missing(service: dict, compose: dict) -> list[str]:
    """What is mounted and not there. The secrets are those that compose/secrets.sh makes."""
    script = Path(DEPLOY, "compose/secrets.sh").read_text()
    sources = [compose["secrets"][name]["file"] for name in service.get("secrets", ())]
    sources += [volume.split(":")[0] for volume in service.get("volumes", ())]
    found = []
    for source in sources:
        made = source.removeprefix("./secrets/")
        if made != source:
            if not re.search(rf"^(for|make|mkdir) .*\b{made}\b", script, re.MULTILINE):
                found.append(f"nobody makes {source}")
        elif source.startswith("./"):
            if not Path(DEPLOY, source).exists():
                found.append(f"there is no {source}")
        elif source not in compose["volumes"]:
            found.append(f"there is no volume {source}")
    return found


def check_prometheus(text: str) -> list[str]:
    """By promtool, with the files where they are here, and whether it asks the service where compose.yaml has it."""
    asked = yaml.safe_load(text)["scrape_configs"][0]["static_configs"][0]["targets"]
    published = yaml.safe_load(Path(DEPLOY, "compose.yaml").read_text())["services"]["onrecord"]["ports"]
    found = [] if asked == ["onrecord:" + published[0].split(":")[-1]] else [f"nobody listens at {asked}"]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        here = text.replace("/run/secrets/prometheus", "/dev/null")
        file.write(here.replace("/etc/prometheus/", f"{DEPLOY}/prometheus/"))
        file.flush()
        return found + run(["promtool", "check", "config", file.name], quiet=True)


def check_dashboard(text: str) -> list[str]:
    """Its queries by promtool, and its source, which is chosen among those of the Grafana that shows it. `just alerts` looks for the
    figures that they name."""
    dashboard = json.loads(text)
    provided = yaml.safe_load(Path(DEPLOY, "grafana/datasource.yaml").read_text())["datasources"]
    types = {source["type"] for source in provided}
    chosen = [it for it in dashboard["templating"]["list"] if it["type"] == "datasource" and it["query"] in types]
    known = {(it["query"], f"${{{it['name']}}}") for it in chosen}
    found, rules = [], []
    for panel in dashboard["panels"]:
        source = panel["datasource"]["type"], panel["datasource"]["uid"]
        if source not in known:
            found.append(f"{panel['title']}: there is no data source {source}")
        for target in panel["targets"]:
            query = target["expr"].replace("$__rate_interval", "1m")
            rules.append({"record": f"panel:{panel['id']}:{target['refId']}", "expr": query})
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
        return found + run(["promtool", "check", "rules", file.name], quiet=True)
