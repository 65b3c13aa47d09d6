#!/usr/bin/env python3
"""Compares what it costs to find out which descriptors are ready, side by side in one interleaved run.

    Benchmarks/poller.py [--rounds N] [--events N] [--descriptors 100,1000] [--active 10,100]
                         [--backends epoll,poll,select] [--json]

The figure is the processor time per event of one wait and the visit of what it found, and its ratio to the same loop in C
on the same system call. Of so many socket pairs some have a byte to read that stays unread, so that each turn finds the
same, and the kernel has the least to do: the ratio is the worst there can be. In each round all programs have their turn,
in an order that changes; the median of the rounds is shown. They have to agree on what was ready.
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
BUILD = HERE.parent / ".build" / "benchmarks"
CORE = 0
YARDSTICK = "C"


def build():
    """Compiles the C program and the Swift one; returns the command of each contestant."""
    BUILD.mkdir(parents=True, exist_ok=True)
    loop = BUILD / "poller-loop"
    subprocess.run(["cc", "-O2", "-Wall", "-o", loop, HERE / "peers" / "poller-loop.c"], check=True)
    swift = ["swift", "build", "-c", "release", "--product", "poller-bench"]
    subprocess.run(swift, cwd=HERE, check=True, stdout=sys.stderr)
    bench = HERE / ".build" / "release" / "poller-bench"
    return {YARDSTICK: [loop], "Poller": [bench, "poller"], "Multiplexer": [bench, "multiplexer"]}


def measure(command, backend, descriptors, active, turns):
    """Runs one program; returns its nanoseconds per event and the sum of what it found."""
    arguments = [*command, backend, str(descriptors), str(active), str(turns)]
    pin = lambda: os.sched_setaffinity(0, {CORE})
    output = subprocess.run(arguments, check=True, capture_output=True, text=True, preexec_fn=pin).stdout
    time, total = output.split()
    return float(time), int(total)


def compare(contestants, backend, descriptors, active, rounds, events):
    """Returns the medians of each contestant in one cell."""
    times = {name: [] for name in contestants}
    sums = set()
    order = list(contestants)
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            time, total = measure(contestants[name], backend, descriptors, active, max(1, events // active))
            times[name].append(time)
            sums.add(total)
    if len(sums) != 1:
        sys.exit(f"{backend}, {descriptors} descriptors: the programs disagree on what was ready")
    return {
        name: {
            "ns_per_event": statistics.median(times[name]),
            # Round by round, as the two figures of a round have the same weather.
            "ratio": statistics.median(mine / theirs for mine, theirs in zip(times[name], times[YARDSTICK])),
        }
        for name in contestants
    }


def numbers(text):
    return [int(part) for part in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--events", type=int, default=1_000_000, help="of each run")
    parser.add_argument("--descriptors", type=numbers, default=[100, 1000])
    parser.add_argument("--active", type=numbers, default=[10, 100])
    parser.add_argument("--backends", type=lambda text: text.split(","), default=["epoll", "poll", "select"])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    contestants = build()
    results = []
    if not arguments.json:
        print(f"{'backend':<8} {'fds':>6} {'active':>6}  {'program':<12} {'ns/event':>9} {'ratio':>6}")
    for backend in arguments.backends:
        for descriptors in arguments.descriptors:
            for active in arguments.active:
                medians = compare(contestants, backend, descriptors, active, arguments.rounds, arguments.events)
                cell = {"backend": backend, "descriptors": descriptors, "active": active}
                results.append({**cell, "programs": medians})
                if arguments.json:
                    continue
                for name, figures in medians.items():
                    print(f"{backend:<8} {descriptors:>6} {active:>6}  {name:<12} {figures['ns_per_event']:>9.1f}"
                          f" {figures['ratio']:>6.2f}", flush=True)
    if arguments.json:
        print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
