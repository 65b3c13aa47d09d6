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
import random
import re
import statistics
import subprocess
import sys

from harness import building
from harness.figures import numbers
from harness.processes import LOAD_CORE, Server, start

YARDSTICK = "own"
SERVERS = (YARDSTICK, "epoll", "poll", "select", "io_uring")


def build():
    """Compiles the server; returns its path. Not with the libraries linked in, as Foundation's would need libcurl's."""
    return building.swift_program(building.HERE / "HTTP", "HTTPServerBench", building.BUILD / "http")


def load(port, connections, seconds):
    """Asks for a while; returns the number of requests."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"http://127.0.0.1:{port}/"]
    # FlyingFox keeps a connection for those who say that they want it, as in HTTP 1.0.
    command += ["-H", "Connection: keep-alive"]
    wrk = start(command, LOAD_CORE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    output, _ = wrk.communicate()
    if wrk.returncode != 0 or "Non-2xx" in output or "Socket errors" in output:
        sys.exit(f"http.py: the load failed:\n{output}")
    return int(re.search(r"(\d+) requests in", output)[1])


def measure(program, name, connections, seconds):
    """Runs one server under load; returns its nanoseconds per request."""
    with Server([program, name]) as server:
        load(server.port, connections, 1)  # warms up
        before = server.processor_time()
        requests = load(server.port, connections, seconds)
        return (server.processor_time() - before) / requests


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


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of each run")
    parser.add_argument("--connections", type=numbers, default=[1, 50])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    try:
        building.installed("wrk")
        program = build()
    except building.Unavailable as reason:
        sys.exit(f"http.py: {reason}")
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
