#!/usr/bin/env python3
"""Compares echo servers, side by side in one interleaved run.

    Benchmarks/echo.py [--rounds N] [--requests N] [--connections 1,50,1000] [--sizes 64,1024,16384] [--depths 1,16]
                       [--only NAME,NAME] [--json]

The figure is the server's processor time per request, as the kernel counts it, and its ratio to a minimal C server on
epoll: wall time says little on a busy machine. The server runs on one core and the load on another. In each round every
server has its turn, in an order that changes, so that the machine's moods strike all of them; the median of the rounds
is shown. The load generator checks every byte that comes back.
"""
import argparse
import json
import os
import random
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD = ROOT / ".build" / "benchmarks"
SERVER_CORE, LOAD_CORE = 0, 1
YARDSTICK = "C epoll"


def build():
    """Compiles the C programs and the tool; returns the load generator and the command of each server."""
    BUILD.mkdir(parents=True, exist_ok=True)
    for name in ("epoll-echo", "echo-load"):
        subprocess.run(["cc", "-O2", "-Wall", "-o", BUILD / name, HERE / "peers" / f"{name}.c"], check=True)
    subprocess.run(["swift", "build", "-c", "release", "--product", "mux"], cwd=ROOT, check=True, stdout=sys.stderr)
    swift = ["swift", "build", "-c", "release", "--package-path", HERE, "--scratch-path", BUILD / "swift"]
    subprocess.run(swift + ["--product", "async-echo"], check=True, stdout=sys.stderr)
    mux = ROOT / ".build" / "release" / "mux"
    servers = {YARDSTICK: [BUILD / "epoll-echo", "0"]}
    for backend in ("epoll", "poll", "select"):
        servers[f"mux {backend}"] = [mux, "serve", "--listen", "127.0.0.1:0", "--backend", backend]
        servers[f"async {backend}"] = [BUILD / "swift" / "release" / "async-echo", backend]
    return BUILD / "echo-load", servers


def pinned(core):
    return lambda: os.sched_setaffinity(0, {core})


def processor_time(pid):
    """The time that all threads of a process have run, in nanoseconds."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


def measure(command, load, connections, size, depth, requests):
    """Runs one server under load; returns its nanoseconds per request, and the 99th percentile of latency."""
    server = subprocess.Popen(command, stdout=subprocess.PIPE, preexec_fn=pinned(SERVER_CORE))
    try:
        # "listening on 127.0.0.1:40123 ..."
        port = server.stdout.readline().split()[2].rsplit(b":", 1)[1].decode()

        def run(count):
            arguments = [load, port, str(connections), str(size), str(depth), str(count)]
            output = subprocess.run(arguments, check=True, capture_output=True, preexec_fn=pinned(LOAD_CORE)).stdout
            return json.loads(output)

        run(max(1000, requests // 10))  # warms up
        before = processor_time(server.pid)
        result = run(requests)
        return (processor_time(server.pid) - before) / requests, result["p99_us"]
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def compare(load, servers, cell, rounds, requests):
    """Returns the medians of each server in one cell."""
    times = {name: [] for name in servers}
    latencies = {name: [] for name in servers}
    order = list(servers)
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            time, latency = measure(servers[name], load, *cell, requests)
            times[name].append(time)
            latencies[name].append(latency)
    base = times[YARDSTICK]
    return {
        name: {
            "ns_per_request": statistics.median(times[name]),
            # Round by round, as the two figures of a round have the same weather.
            "ratio": statistics.median(mine / theirs for mine, theirs in zip(times[name], base)),
            "p99_us": statistics.median(latencies[name]),
        }
        for name in servers
    }


def numbers(text):
    return [int(part) for part in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=100_000, help="of each run, fewer where messages are long")
    parser.add_argument("--connections", type=numbers, default=[1, 50, 1000])
    parser.add_argument("--sizes", type=numbers, default=[64, 1024, 16384])
    parser.add_argument("--depths", type=numbers, default=[1, 16])
    parser.add_argument("--only", type=lambda text: text.split(","), help="servers besides the yardstick")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    load, servers = build()
    if arguments.only:
        servers = {name: command for name, command in servers.items() if name in arguments.only + [YARDSTICK]}
    results = []
    if not arguments.json:
        print(f"{'conns':>6} {'bytes':>6} {'depth':>5}  {'server':<12} {'ns/request':>10} {'ratio':>6} {'p99 us':>8}")
    for connections in arguments.connections:
        for size in arguments.sizes:
            for depth in arguments.depths:
                cell = (connections, size, depth)
                requests = max(connections * 10, arguments.requests * 1024 // max(1024, size))
                medians = compare(load, servers, cell, arguments.rounds, requests)
                results.append({"connections": connections, "size": size, "depth": depth, "servers": medians})
                if arguments.json:
                    continue
                for name, figures in medians.items():
                    print(f"{connections:>6} {size:>6} {depth:>5}  {name:<12} {figures['ns_per_request']:>10.0f}"
                          f" {figures['ratio']:>6.2f} {figures['p99_us']:>8.1f}", flush=True)
    if arguments.json:
        print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
