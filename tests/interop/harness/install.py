"""Gets what the clients need, where it is not there yet. Nothing is installed twice for one state of a manifest."""

import hashlib
import json
import os
import pathlib
import subprocess
import sys

from .clients import HERE

REPOSITORY = HERE.parent.parent


def target_directory():
    """Where cargo builds this repository; what is fetched for the clients goes there as well."""
    command = ["cargo", "metadata", "--format-version", "1", "--no-deps", "--locked"]
    answer = subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE)
    return pathlib.Path(json.loads(answer.stdout)["target_directory"])


def server(target):
    """The server as it is built now."""
    say("building the server")
    call(["cargo", "build", "--quiet", "--locked", "--bin", "discnt-server"], cwd=REPOSITORY)
    return target / "debug" / "discnt-server"


def everything(chosen, folder):
    """What the programs of these clients are run with, by the names that clients.toml has for them."""
    kinds = {client.manifest.partition("/")[0] for client in chosen}
    return {kind: KINDS[kind](folder) for kind in sorted(kinds)}


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


KINDS = {"python": python}
