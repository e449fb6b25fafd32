"""What machines need: a root file system and packages."""

import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import tomllib

TREE = pathlib.Path(__file__).resolve().parents[3]
RELEASE = "bookworm"
# What Debian's own image has beside systemd, what the packages need, and rpm to try that one out.
INSIDE = "systemd,systemd-sysv,dbus,libpam-systemd,libnss-systemd,procps,iproute2,init-system-helpers,rpm"
PREVIOUS = "0.0.9"


@dataclasses.dataclass
class Packages:
    folder: pathlib.Path
    deb: pathlib.Path
    rpm: pathlib.Path
    previous: pathlib.Path
    version: str


def root_file_system():
    cache = pathlib.Path(os.environ.get("DISCNT_TESTS_CACHE", "/var/cache/discnt-tests"))
    root = cache / RELEASE
    if root.is_dir():
        return root
    for program in ["mmdebstrap", "systemd-nspawn"]:
        if not shutil.which(program):
            sys.exit(f"tests/systemd/run: {program} is missing (apt-get install mmdebstrap systemd-container)")
    print(f"==> making {root}, which takes a minute", flush=True)
    cache.mkdir(parents=True, exist_ok=True)
    # The file of this machine's apt with Debian's own packages in it.
    sources = [path for path in pathlib.Path("/etc/apt/sources.list.d").glob("*.sources") if "debian" in path.name]
    unfinished = cache / f"{RELEASE}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={INSIDE}", RELEASE, unfinished]
    subprocess.run([*command, *sources[:1]], check=True)
    unfinished.rename(root)
    return root


def packages(folder, previous):
    version = tomllib.loads((TREE / "Cargo.toml").read_text())["package"]["version"]
    if folder is None:
        folder = target() / "systemd"
        print("==> building the programs and their packages", flush=True)
        subprocess.run(["cargo", "build", "--locked", "--bins"], cwd=TREE, check=True)
        build(folder, version)
    folder = folder.resolve()
    if previous is None:
        previous = folder / f"discnt_{PREVIOUS}_amd64.deb"
        if not previous.exists():
            build(folder, PREVIOUS)
    elif previous.resolve().parent != folder:
        previous = pathlib.Path(shutil.copy(previous, folder))
    names = [f"discnt_{version}_amd64.deb", f"discnt-{version}.x86_64.rpm"]
    return Packages(folder, folder / names[0], folder / names[1], previous.resolve(), version)


def build(folder, version):
    programs = target() / "debug"
    command = [TREE / "packaging/build", "--binaries", programs, "--output", folder, "--version", version]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def target():
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", TREE / "target"))
