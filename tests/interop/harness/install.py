"""Gets what the clients need, where it is not there yet. Nothing is installed twice for one state of a manifest."""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

from .clients import HERE

REPOSITORY = HERE.parent.parent
NODE_MAJOR = 20


def target_directory():
    """Where cargo builds this repository; what is fetched for the clients goes there as well."""
    command = ["cargo", "metadata", "--format-version", "1", "--no-deps", "--locked"]
    answer = subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE)
    return pathlib.Path(json.loads(answer.stdout)["target_directory"])


def server(target):
    """The server as it is built now, with its client beside it."""
    say("building the server")
    call(["cargo", "build", "--quiet", "--locked", "--bins"], cwd=REPOSITORY)
    return target / "debug" / "discnt-server"


def everything(chosen, folder):
    """What the programs of these clients are run with, by the names that clients.toml has for them."""
    kinds = {client.manifest.partition("/")[0] for client in chosen}
    kinds |= {client.run[0].strip("{}") for client in chosen}
    return {kind: KINDS[kind](folder) for kind in sorted(kinds & KINDS.keys())}


def python(folder):
    """A virtual environment with what requirements.txt names."""
    environment, manifest = folder / "venv", HERE / "python" / "requirements.txt"
    program = environment / "bin" / "python"
    with Stamp(folder / "venv.stamp", [manifest], [program]) as fresh:
        if not fresh:
            say("installing the clients of Python")
            call([sys.executable, "-m", "venv", "--clear", environment])
            call([program, "-m", "pip", "install", "--quiet", "--requirement", manifest])
    return program


def node(folder):
    """A node.js with what package-lock.json names beside the programs."""
    program, npm = node_program(folder)
    home = HERE / "node"
    modules = home / "node_modules"
    with Stamp(folder / "node.stamp", [home / "package.json", home / "package-lock.json"], [modules]) as fresh:
        if not fresh:
            say("installing the clients of Node.js")
            call([*npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=home)
    return program


def node_program(folder):
    """The machine's node.js where it is new enough, or one of its own: what Debian 12 has is too old for the clients."""
    program = shutil.which("node")
    if program and shutil.which("npm"):
        version = subprocess.run([program, "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout
        if int(version.lstrip("v").partition(".")[0]) >= NODE_MAJOR:
            return program, ["npm"]
    environment, manifest = folder / "node-venv", HERE / "node" / "requirements.txt"
    binaries = environment / "bin"
    with Stamp(folder / "node-venv.stamp", [manifest], [binaries / "node"]) as fresh:
        if not fresh:
            say("installing Node.js")
            call([sys.executable, "-m", "venv", "--clear", environment])
            call([binaries / "python", "-m", "pip", "install", "--quiet", "--requirement", manifest])
    return binaries / "node", [binaries / "npm"]


def rust(folder):
    """The program of the clients of Rust, with what Cargo.lock names."""
    say("building the clients of Rust")
    command = ["cargo", "build", "--quiet", "--locked", "--target-dir", folder / "rust"]
    call(command, cwd=HERE / "rust")
    return folder / "rust" / "debug" / "interop"


def debian(folder):
    """The packages that are named in packages.txt. Which of their versions is really there is the programs' to tell."""
    lines = (HERE / "debian" / "packages.txt").read_text().split()
    packages = [line.partition("==")[0] for line in lines]
    missing = [package for package in packages if not _is_installed(package)]
    if missing:
        say(f"installing {' '.join(missing)}")
        apt = [] if os.geteuid() == 0 else ["sudo"]
        call([*apt, "apt-get", "update"])
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        call([*apt, "apt-get", "install", "-y", "--no-install-recommends", *missing], env=environment)
    return folder


def _is_installed(package):
    command = ["dpkg-query", "--show", "--showformat", "${db:Status-Status}", package]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout == b"installed"


class Stamp:
    """Remembers of which manifests something was made; `with` answers whether it is still so."""

    def __init__(self, path, manifests, products):
        self.path, self.products = path, products
        contents = b"".join(manifest.read_bytes() for manifest in manifests)
        self.digest = hashlib.sha256(contents).hexdigest()

    def __enter__(self):
        made = all(product.exists() for product in self.products)
        return made and self.path.exists() and self.path.read_text() == self.digest

    def __exit__(self, error, *_):
        if error is None:
            self.path.write_text(self.digest)


def call(command, **options):
    """Runs a command; its output is shown if it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        words = " ".join(map(os.fspath, command))
        raise RuntimeError(f"{words} failed:\n{done.stdout.decode(errors='replace')}")


def say(words):
    print(f"==> {words}", flush=True)


KINDS = {"python": python, "node": node, "rust": rust, "debian": debian}
