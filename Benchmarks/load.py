#!/usr/bin/env python3
"""Compares `mux bench` with a load generator in C: it must measure the server, not itself.

The figure is the round trips per second that each achieves with the same minimal server in C on epoll, both checking
every byte, in one interleaved run.
"""
import json
import subprocess

from harness import building, figures
from harness.building import c_program
from harness.processes import LOAD_CORE, Failure, Load, Server, start

YARDSTICK = "C"
LIMIT = 0.85  # of the C load generator


def c_load(port, arguments):
    with Load("echo-load", port, arguments.connections, arguments.size, 1) as load:
        load.run(arguments.requests // 10)  # warms up
        return load.run(arguments.requests)["requests_per_second"]


def mux_bench(backend):
    def load(port, arguments):
        command = [
            building.mux(), "bench", f"127.0.0.1:{port}", "--connections", arguments.connections, "--size",
            arguments.size, "--requests", arguments.requests, "--backend", backend, "--json",
        ]
        bench = start(command, LOAD_CORE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        output, errors = bench.communicate()
        if bench.returncode != 0:
            raise Failure(errors.strip())
        return json.loads(output)["requestsPerSecond"]

    return load


def measure(load, arguments):
    with Server([c_program("epoll-echo")]) as server:
        return {"requests_per_second": load(server.port, arguments)}


def show(results):
    columns = [("load generator", ""), ("requests/s", ".0f"), ("to C", ".2f"), ("target", ""), ("", "")]
    rows = []
    for name, got in results.items():
        target = (f"at least {LIMIT:.2f}", figures.verdict(got["ratio"] >= LIMIT)) if name != YARDSTICK else ("", "")
        rows.append([name, got["requests_per_second"], got["ratio"], *target])
    print(figures.table(columns, rows))


def main():
    parser = figures.options(__doc__, rounds=7)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--requests", type=int, default=100_000, help="per run")
    arguments = parser.parse_args()

    building.mux()  # built before the clock starts
    contestants = {YARDSTICK: c_load, "mux bench": mux_bench("epoll"), "mux bench io_uring": mux_bench("io_uring")}
    progress = figures.Progress(arguments.rounds * len(contestants))
    samples = figures.interleaved(
        contestants, arguments.rounds, lambda load: measure(load, arguments), progress, base=YARDSTICK)
    progress.clear()
    results = {
        name: {**figures.medians(taken), "ratio": figures.ratio(taken, samples[YARDSTICK], "requests_per_second")}
        for name, taken in samples.items()
    }
    figures.report(results, arguments.json, show)


if __name__ == "__main__":
    main()
