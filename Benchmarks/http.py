#!/usr/bin/env python3
"""Compares FlyingFox's HTTP server on a reactor with the same server on its own pool, in one interleaved run.

    Benchmarks/http.py [--rounds N] [--seconds N] [--connections 1,50] [--json]

The figure is the server's processor time per request, as the kernel counts it. The load is wrk (a Debian package): GET
requests for 64 bytes, on connections that are kept. The server runs on one core and the load on another. In each round
every server has its turn, in an order that changes; the median of the rounds is shown, and that of the ratios to FlyingFox's
own pool in the same round.
"""
import argparse
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent / ".build" / "benchmarks" / "http"
SERVER_CORE, LOAD_CORE = 0, 1
YARDSTICK = "own"
SERVERS = (YARDSTICK, "epoll", "poll", "select")


def build():
    """Compiles the server; returns its path."""
    command = ["swift", "build", "-c", "release", "--package-path", HERE / "HTTP", "--scratch-path", BUILD]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return BUILD / "release" / "HTTPServerBench"


def pinned(core):
    return lambda: os.sched_setaffinity(0, {core})


def processor_time(pid):
    """The time that all threads of a process have run, in nanoseconds."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


def load(port, connections, seconds):
    """Asks for a while; returns the number of requests."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"http://127.0.0.1:{port}/"]
    # FlyingFox keeps a connection for those who say that they want it, as in HTTP 1.0.
    command += ["-H", "Connection: keep-alive"]
    output = subprocess.run(command, check=True, capture_output=True, text=True, preexec_fn=pinned(LOAD_CORE)).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        sys.exit(f"http.py: the load failed:\n{output}")
    return int(re.search(r"(\d+) requests in", output)[1])


def measure(program, name, connections, seconds):
    """Runs one server under load; returns its nanoseconds per request."""
    server = subprocess.Popen([program, name], stdout=subprocess.PIPE, preexec_fn=pinned(SERVER_CORE))
    try:
        # "listening on 127.0.0.1:40123 ..."
        port = server.stdout.readline().split()[2].rsplit(b":", 1)[1].decode()
        load(port, connections, 1)  # warms up
        before = processor_time(server.pid)
        requests = load(port, connections, seconds)
        return (processor_time(server.pid) - before) / requests
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def compare(program, connections, rounds, seconds):
    """Returns the medians of each server."""
    times = {name: [] for name in SERVERS}
    for _ in range(rounds):
        for name in random.sample(SERVERS, len(SERVERS)):
            times[name].append(measure(program, name, connections, seconds))
    ratios = {name: [mine / own for mine, own in zip(times[name], times[YARDSTICK])] for name in SERVERS}
    return {
        name: {"ns_per_request": statistics.median(times[name]), "ratio": statistics.median(ratios[name])}
        for name in SERVERS
    }


def numbers(text):
    return [int(part) for part in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of each run")
    parser.add_argument("--connections", type=numbers, default=[1, 50])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("http.py: wrk is not installed (Debian package wrk)")

    program = build()
    results = []
    if not arguments.json:
        print(f"{'conns':>6}  {'FlyingFox on':<12} {'ns/request':>10} {'ratio':>6}")
    for connections in arguments.connections:
        medians = compare(program, connections, arguments.rounds, arguments.seconds)
        results.append({"connections": connections, "servers": medians})
        if arguments.json:
            continue
        for name, figures in medians.items():
            print(f"{connections:>6}  {name:<12} {figures['ns_per_request']:>10.0f} {figures['ratio']:>6.2f}", flush=True)
    if arguments.json:
        print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
