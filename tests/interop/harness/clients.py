"""The clients of clients.toml, and the versions that their manifests pin."""

import dataclasses
import json
import pathlib
import re
import tomllib

HERE = pathlib.Path(__file__).resolve().parent.parent


@dataclasses.dataclass(frozen=True)
class Client:
    """One client; `version` is what its manifest pins."""

    name: str
    package: str
    manifest: str
    version: str
    run: tuple
    protocols: tuple
    checks: tuple
    without: tuple
    more: tuple
    is_partial: bool
    variant: str


def load():
    """All clients in the order of the file."""
    with open(HERE / "clients.toml", "rb") as file:
        book = tomllib.load(file)
    return [_client(entry, book["checks"], book["more"]) for entry in book["client"]]


def _client(entry, usual, unusual):
    without, more = tuple(entry.get("without", ())), tuple(entry.get("more", ()))
    checks = entry.get("checks") or [check for check in usual if check not in without] + list(more)
    unknown = {*checks, *without, *more} - {*usual, *unusual}
    if unknown:
        raise ValueError(f"clients.toml: {entry['name']} speaks of {unknown}, which are no checks")
    return Client(
        name=entry["name"],
        package=entry["package"],
        manifest=entry["manifest"],
        version=pinned(entry["manifest"], entry["package"]),
        run=tuple(entry["run"]),
        protocols=tuple(entry["protocols"]),
        checks=tuple(checks),
        without=without,
        more=more,
        is_partial="checks" in entry,
        variant=entry.get("variant", ""),
    )


def pinned(manifest, package):
    """The one version of a package that a manifest allows."""
    text = (HERE / manifest).read_text()
    if manifest.endswith("package.json"):
        version = json.loads(text)["dependencies"].get(package, "")
    elif manifest.endswith("Cargo.toml"):
        entry = tomllib.loads(text)["dependencies"].get(package, "")
        version = (entry if isinstance(entry, str) else entry["version"]).removeprefix("=")
    else:
        found = re.search(rf"^{re.escape(package)}==(\S+)$", text, re.MULTILINE)
        version = found[1] if found else ""
    if not re.fullmatch(r"\d+(\.\d+)+", version):
        raise ValueError(f"{manifest} does not pin {package} to one version")
    return version
