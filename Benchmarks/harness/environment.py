"""The environment in which figures were taken: without it, they say nothing."""
import datetime
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from .building import ROOT

# Each: the package, and where it is used.
SWIFT_PACKAGES = [("swift-nio", "peers/nio-echo"), ("FlyingFox", "HTTP")]
PACKAGES = ("libuv1-dev", "libevent-dev", "librust-tokio-dev", "haproxy", "socat", "wrk")


def first_line(*command):
    if not shutil.which(command[0]):
        return None
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)
    return done.stdout.splitlines()[0] if done.returncode == 0 and done.stdout else None


def processor():
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def memory_in_gib():
    return int(re.search(r"^MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) / 2**20


def package_versions():
    versions = []
    for package in PACKAGES:
        version = first_line("dpkg-query", "-W", "-f", "${Version}", package)
        if version:
            versions.append(f"{package.removesuffix('-dev')} {version}")
    return versions


def uvloop_version():
    version = first_line(sys.executable, "-c", "import uvloop; print(uvloop.__version__)")
    return f"uvloop {version}" if version else None


def swift_versions():
    """The versions of the Swift packages that peers are built on, as far as they have been built."""
    versions = []
    for name, package in SWIFT_PACKAGES:
        pins = ROOT / "Benchmarks" / package / "Package.resolved"
        if pins.exists():
            found = {pin["identity"]: pin["state"].get("version") for pin in json.loads(pins.read_text())["pins"]}
            versions.append(f"{name} {found.get(name.lower(), 'unknown')}")
    return versions


def moment():
    """The date, commit and load average of a measurement."""
    commit = first_line("git", "rev-parse", "--short", "HEAD") or "unknown"
    return f"{datetime.date.today().isoformat()}, commit {commit}, load average before {os.getloadavg()[0]:.1f}"


def heading():
    swift = re.search(r"Swift version ([\d.]+)", first_line("swift", "--version") or "")
    versions = [
        f"Swift {swift[1]}" if swift else None, first_line("cc", "--version"),
        first_line("rustc", "--version"), *package_versions(),
        f"Python {platform.python_version()}", uvloop_version(), *swift_versions(),
    ]
    return f"""# Benchmarks

Written by `Benchmarks/run`; [Benchmarks/README.md](../Benchmarks/README.md) describes what each measures, and how.

| | |
|---|---|
| Kernel | {platform.system()} {platform.release()} {platform.machine()} |
| Machine | {processor()}, {os.cpu_count()} cores, {memory_in_gib():.0f} GiB |
| Versions | {", ".join(version for version in versions if version)} |
"""
