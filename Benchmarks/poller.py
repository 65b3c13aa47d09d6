#!/usr/bin/env python3
"""Compares what it costs to find out which descriptors are ready, side by side in one interleaved run.

    Benchmarks/poller.py [--rounds N] [--pairs 100,1000,8000] [--active 10,100] [--chains N] [--idle]
                         [--backends epoll,poll,select,io_uring] [--json]

The work is that of libevent's bench. Of so many socket pairs some get a byte; each that is found readable is read, and a
byte is written to the next one, until 1000 have been written. The figure is the processor time per event, the read and
the write included, and its ratio to the same program in C on the same system call. In each round all programs have their
turn, in an order that changes; the medians of the rounds are shown, and last the median of the cells of each backend. The
programs have to agree on what was ready; the one in C on io_uring, which reads all there is, takes it in another order.

With --idle the bytes stay unread: the ratio of a bare wait is the worst there can be.
"""
import argparse
import json
import os
import random
import statistics
import subprocess
import sys

from harness import building
from harness.figures import numbers

CORE = 0
YARDSTICK = "C"


def build():
    """Compiles the C program and the Swift one; returns the command of each contestant."""
    loop = building.c_program("poller-loop")
    bench = building.benchmark("poller-bench")
    return {YARDSTICK: [loop], "Poller": [bench, "poller"], "Multiplexer": [bench, "multiplexer"]}


def measure(command, work, backend, pairs, active, times):
    """Runs one program; returns its nanoseconds per event and the sum of what it found."""
    arguments = [*command, work, backend, str(pairs), str(active), str(times)]
    pin = lambda: os.sched_setaffinity(0, {CORE})
    output = subprocess.run(arguments, check=True, capture_output=True, text=True, preexec_fn=pin).stdout
    time, total = output.split()
    return float(time), int(total)


def compare(contestants, cell, rounds):
    """Returns the medians of each contestant in one cell."""
    times = {name: [] for name in contestants}
    # Completions have an order of their own, which decides where the last bytes of a chain go.
    has_order = cell[1] != "io_uring"
    sums = set()
    order = list(contestants)
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            time, total = measure(contestants[name], *cell)
            times[name].append(time)
            if has_order or name != YARDSTICK:
                sums.add(total)
    if len(sums) != 1:
        sys.exit(f"{cell}: the programs disagree on what was ready")
    return {
        name: {
            "ns_per_event": statistics.median(times[name]),
            # Round by round, as the two figures of a round have the same weather.
            "ratio": statistics.median(mine / theirs for mine, theirs in zip(times[name], times[YARDSTICK])),
        }
        for name in contestants
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--pairs", type=numbers, default=[100, 1000, 8000])
    parser.add_argument("--active", type=numbers, default=[10, 100])
    parser.add_argument("--chains", type=int, default=10, help="of each run; with --idle, as many events")
    parser.add_argument("--idle", action="store_true", help="leave the bytes unread")
    parser.add_argument("--backends", type=lambda text: text.split(","), default=["epoll", "poll", "select", "io_uring"])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    try:
        contestants = build()
    except building.Unavailable as reason:
        sys.exit(f"poller.py: {reason}")
    results = []
    if not arguments.json:
        print(f"{'backend':<8} {'pairs':>6} {'active':>6}  {'program':<12} {'ns/event':>9} {'ratio':>6}")
    for backend in arguments.backends:
        ratios = {name: [] for name in contestants}
        for pairs in arguments.pairs:
            for active in arguments.active:
                work = "idle" if arguments.idle else "chain"
                times = max(1, arguments.chains * 1000 // active) if arguments.idle else arguments.chains
                medians = compare(contestants, (work, backend, pairs, active, times), arguments.rounds)
                cell = {"work": work, "backend": backend, "pairs": pairs, "active": active}
                results.append({**cell, "programs": medians})
                for name, figures in medians.items():
                    ratios[name].append(figures["ratio"])
                    if arguments.json:
                        continue
                    print(f"{backend:<8} {pairs:>6} {active:>6}  {name:<12} {figures['ns_per_event']:>9.1f}"
                          f" {figures['ratio']:>6.3f}", flush=True)
        if not arguments.json:
            for name in contestants:
                print(f"{backend:<8} {'median cell':>13}  {name:<12} {'':>9} {statistics.median(ratios[name]):>6.3f}")
    if arguments.json:
        print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
