#!/usr/bin/env python3
"""Compares the cost of short connections: accept, echo one message of 64 bytes, close.

The figure is the server's processor time per connection and its ratio to a minimal C server on epoll, in one
interleaved run. Ten connections are open at a time.
"""
import time

from harness import figures, servers
from harness.processes import Load, Server

SIZE, CONCURRENT, SOURCES = 64, 10, 4
LIMIT = 1.0  # of C epoll, for our own servers


def measure(command, connections):
    with Server(command) as server, Load("short-load", server.port, SIZE, CONCURRENT, SOURCES) as load:
        load.run(max(100, connections // 10))  # warms up
        before = server.processor_time()
        load.run(connections)
        time.sleep(0.05)  # lets the server see the last connections close
        return {"ns": (server.processor_time() - before) / connections}


def show(results):
    columns = [("server", ""), ("ns/connection", ".0f"), ("to C epoll", ".2f"), ("target", ""), ("", "")]
    rows = []
    for name, got in results.items():
        is_met = figures.verdict(got["ratio"] <= LIMIT)
        target = (f"{LIMIT:.2f} of C epoll", is_met) if servers.is_ours(name) else ("", "")
        rows.append([name, got["ns"], got["ratio"], *target])
    print(figures.table(columns, rows))


def main():
    parser = figures.options(__doc__, rounds=15)
    parser.add_argument("--connections", type=int, default=20_000, help="per run")
    arguments = parser.parse_args()

    contestants = servers.prepare(arguments.servers)
    progress = figures.Progress(arguments.rounds * len(contestants))
    samples = figures.interleaved(
        contestants, arguments.rounds, lambda command: measure(command, arguments.connections), progress,
        base=servers.YARDSTICK)
    progress.clear()
    base = samples[servers.YARDSTICK]
    results = {
        name: {**figures.medians(taken), "ratio": figures.ratio(taken, base, "ns")} for name, taken in samples.items()
    }
    figures.report(results, arguments.json, show)


if __name__ == "__main__":
    main()
