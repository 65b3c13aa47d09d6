"""Builds what is measured. Anything that can't be built raises `Unavailable`, with the reason on one line."""
import functools
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent
PEERS = HERE / "peers"
BUILD = ROOT / ".build" / "benchmarks"
DEBIAN_CRATES = Path("/usr/share/cargo/registry")
# As servers are deployed: with Swift's libraries linked statically. When each message wakes an idle core, calls between
# shared libraries would show.
STATIC = ("--static-swift-stdlib",)


class Unavailable(Exception):
    """A program that isn't installed, or doesn't work here."""


def run_quietly(command, **options):
    """Runs a command; if it fails, raises `Unavailable` with the first line that names an error."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    except FileNotFoundError:
        raise Unavailable(f"{command[0]} is not installed") from None
    if done.returncode != 0:
        lines = done.stdout.splitlines() or [f"{command[0]} failed"]
        raise Unavailable(next((line for line in lines if re.search("error:|cannot find", line)), lines[-1]).strip())


@functools.cache
def c_program(name, *flags):
    """Compiles one of peers/*.c; returns its path."""
    BUILD.mkdir(parents=True, exist_ok=True)
    command = ["cc", "-std=c11", "-O2", "-Wall", "-Wextra", "-o", BUILD / name, PEERS / f"{name}.c", *flags]
    run_quietly(command)
    return BUILD / name


@functools.cache
def swift_program(package, product, scratch, *more):
    """Builds an executable in release mode; returns its path."""
    if not shutil.which("swift"):
        raise Unavailable("swift is not installed")
    print(f"building {product}", file=sys.stderr, flush=True)
    # SwiftPM keeps its build plan while the manifests are unchanged, and fails if one of our sources was removed since.
    for plan in Path(scratch).glob("release.yaml"):
        plan.unlink()
    options = ["-c", "release", "--package-path", package, "--scratch-path", scratch, *more]
    run_quietly(["swift", "build", *options, "--product", product])
    return Path(scratch) / "release" / product


def mux():
    return swift_program(ROOT, "mux", BUILD / "mux", *STATIC)


def benchmark(product):
    """Builds a program of our own benchmark package; returns its path."""
    return swift_program(HERE, product, BUILD / "swift", *STATIC)


def swift_peer(name):
    """Builds a peer that is a package in peers/; returns the path of its executable."""
    return swift_program(PEERS / name, name, BUILD / name, *STATIC)


@functools.cache
def rust_peer(name):
    """Builds a peer that is a Rust package in peers/; returns the path of its executable."""
    print(f"building {name}", file=sys.stderr, flush=True)
    options = ["--release", "--manifest-path", PEERS / name / "Cargo.toml", "--target-dir", BUILD / name]
    # Where Debian's packages installed the crates, they are used, and nothing is downloaded.
    if next(DEBIAN_CRATES.glob("tokio-*"), None):
        options += ["--offline", "--config", 'source.crates-io.replace-with="debian"']
        options += ["--config", f'source.debian.directory="{DEBIAN_CRATES}"']
    run_quietly(["cargo", "build", *options])
    return BUILD / name / "release" / name


def python_peer(module):
    if importlib.util.find_spec(module) is None:
        raise Unavailable(f"Python's {module} is not installed")
    return [sys.executable, PEERS / "asyncio-echo.py", module]


def installed(program):
    """Returns the path of an installed program."""
    path = shutil.which(program)
    if not path:
        raise Unavailable(f"{program} is not installed")
    return path
