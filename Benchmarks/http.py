#!/usr/bin/env python3
"""Compares FlyingFox's HTTP server on a reactor with the same server on its own pool, in one interleaved run.

    Benchmarks/http.py [--rounds N] [--seconds N] [--connections 1,50] [--servers own,epoll,...] [--json]

The figure is the server's processor time per request, as counted by the kernel. The load is wrk (a Debian package): GET
requests for 64 bytes, on persistent connections. The server runs on one core and the load on another. In each round,
every server is measured once, in an order that changes. The figures shown are the median of the rounds, and the median
of the ratios to FlyingFox's own pool in the same round.
"""
import re
import subprocess
import sys

from harness import building, figures, servers
from harness.processes import LOAD_CORE, Failure, Server, start

YARDSTICK = "own"


def prepare():
    """Compiles the server; returns the command of each contestant.

    The libraries aren't linked statically, because Foundation would then need libcurl's development files.
    """
    program = building.swift_program(building.HERE / "HTTP", "HTTPServerBench", building.BUILD / "http")
    return {name: [program, name] for name in (YARDSTICK, *servers.BACKENDS)}


def load(port, connections, seconds):
    """Sends requests for a number of seconds; returns how many were answered."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"http://127.0.0.1:{port}/"]
    # FlyingFox keeps a connection open only if the client asks for it, as in HTTP 1.0.
    command += ["-H", "Connection: keep-alive"]
    wrk = start(command, LOAD_CORE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    output, _ = wrk.communicate()
    if wrk.returncode != 0 or "Non-2xx" in output or "Socket errors" in output:
        raise Failure(f"the load failed:\n{output}")
    return int(re.search(r"(\d+) requests in", output)[1])


def measure(command, connections, seconds):
    """Runs one server under load."""
    with Server(command) as server:
        load(server.port, connections, 1)  # warms up
        before = server.processor_time()
        requests = load(server.port, connections, seconds)
        return {"ns_per_request": (server.processor_time() - before) / requests}


def show(cells):
    columns = [("conns", "d"), ("FlyingFox on", ""), ("ns/request", ".0f"), ("ratio", ".2f")]
    rows = [
        [cell["connections"], name, got["ns_per_request"], got["ratio"]]
        for cell in cells for name, got in cell["servers"].items()
    ]
    print(figures.table(columns, rows))


def main():
    parser = figures.options(__doc__, rounds=5)
    parser.add_argument("--seconds", type=int, default=3, help="per run")
    parser.add_argument("--connections", type=figures.numbers, default=[1, 50])
    arguments = parser.parse_args()
    try:
        building.installed("wrk")
        contestants = servers.chosen(prepare(), arguments.servers, always=(YARDSTICK,))
    except building.Unavailable as reason:
        sys.exit(f"http.py: {reason}")

    progress = figures.Progress(arguments.rounds * len(contestants) * len(arguments.connections))
    cells = []
    for connections in arguments.connections:
        samples = figures.interleaved(
            contestants, arguments.rounds, lambda command: measure(command, connections, arguments.seconds), progress,
            what=f"{connections} connections: ", base=YARDSTICK)
        ratios = {name: figures.ratio(taken, samples[YARDSTICK], "ns_per_request") for name, taken in samples.items()}
        cells.append({
            "connections": connections,
            "servers": {name: {**figures.medians(taken), "ratio": ratios[name]} for name, taken in samples.items()},
        })
    progress.clear()
    figures.report(cells, arguments.json, show)


if __name__ == "__main__":
    main()
