#!/usr/bin/env python3
"""Measures what an idle connection costs: memory of the server per connection, after one echo of 64 bytes on each.

The figures are the growth of the server's own memory (private and dirty, as counted by the kernel in smaps_rollup) and
of its resident memory, divided by the number of connections. The kernel's share is listed separately, for both ends:
the memory of its objects (Slab in /proc/meminfo) and of TCP (/proc/net/sockstat), on the whole machine.
"""
import time

from harness import figures, servers
from harness.processes import Failure, Load, Server, kernel_memory, raise_descriptor_limit

SIZE, AT_A_TIME = 64, 100
PORTS = 20_000  # connections between one address and the server
LIMIT = 1024  # bytes of private memory


def measure(command, connections):
    with Server(command) as server:
        # What a server sets up once, and the code it loads, isn't part of a connection's cost.
        with Load("echo-load", server.port, AT_A_TIME, SIZE, 1) as load:
            load.run(AT_A_TIME * 10)
        time.sleep(0.1)
        own, kernel = server.memory(), kernel_memory()
        sources = 1 + connections // PORTS
        with Load("echo-load", server.port, connections, SIZE, 1, "--in-turn", AT_A_TIME, "--sources", sources) as load:
            load.run(connections)
            time.sleep(0.2)
            grown, kernel_grown = server.memory(), kernel_memory()
    return {
        "private": (grown["private_dirty"] - own["private_dirty"]) / connections,
        "resident": (grown["resident"] - own["resident"]) / connections,
        "kernel": (kernel_grown - kernel) / connections,
    }


def show(results):
    columns = [("connections", "d"), ("server", ""), ("private B", ".0f"), ("resident B", ".0f"),
               ("kernel B, both ends", ".0f"), ("target", ""), ("", "")]
    rows = []
    for connections, of_servers in results.items():
        for name, got in of_servers.items():
            target = (f"{LIMIT} B", figures.verdict(got["private"] <= LIMIT)) if servers.is_ours(name) else ("", "")
            rows.append([connections, name, got["private"], got["resident"], got["kernel"], *target])
        rows.append(None)
    print(figures.table(columns, rows[:-1]))


def main():
    parser = figures.options(__doc__, rounds=3)
    parser.add_argument("--connections", type=figures.numbers, default=[5_000, 15_000])
    arguments = parser.parse_args()

    allowed = raise_descriptor_limit(max(arguments.connections) + 1000)
    contestants = servers.prepare(arguments.servers)
    progress = figures.Progress(len(arguments.connections) * arguments.rounds * len(contestants))
    results = {}
    for connections in arguments.connections:
        def attempt(command):
            if connections + 100 > allowed:
                raise Failure(f"only {allowed} files may be open")
            return measure(command, connections)

        samples = figures.interleaved(
            contestants, arguments.rounds, attempt, progress, f"{connections} connections: ")
        results[connections] = {name: figures.medians(taken) for name, taken in samples.items()}
    progress.clear()
    figures.report(results, arguments.json, show)


if __name__ == "__main__":
    main()
