#!/usr/bin/env python3
"""Measures how the cost of a message grows with the number of connections: up to 100,000 at once, echoing in turn.

A hundred messages are in flight at any time, and the connections take turns, so that each of them is used. If a process
may not open enough files, several servers share the connections, and the core, each with its own load generator. The
figures are the servers' processor time per message, its ratio to the smallest number of connections, and memory per
connection: the servers' own, and the kernel's for both ends.
"""
import sys
import time
from contextlib import ExitStack

from harness import figures, servers
from harness.processes import Load, Server, kernel_memory, raise_descriptor_limit

SIZE, AT_A_TIME = 64, 100
PORTS = 20_000  # connections between one address and the server
SPARE = 200  # files that are open besides connections
# Select and poll look at every connection in every wait: they are left out unless selected with --servers.
USUAL = (servers.YARDSTICK, servers.TO_BEAT, "async epoll", "async io_uring", "mux epoll", "mux io_uring")


class Pair:
    """A server and its load generator."""

    def __init__(self, command, stack):
        self.stack = stack
        self.server = stack.enter_context(Server(command))

    def warm_up(self):
        with Load("echo-load", self.server.port, AT_A_TIME, SIZE, 1) as load:
            load.run(AT_A_TIME * 10)

    def connect(self, connections, at_a_time):
        sources = 1 + connections // PORTS
        self.connections = connections
        self.load = self.stack.enter_context(
            Load("echo-load", self.server.port, connections, SIZE, 1, "--in-turn", at_a_time, "--sources", sources))


def run_all(pairs, messages):
    """Runs all loads at once, each with its share of the messages; returns their results."""
    for pair in pairs:
        pair.load.begin(messages // len(pairs))
    return [pair.load.finish() for pair in pairs]


def private_memory(pairs):
    return sum(pair.server.memory()["private_dirty"] for pair in pairs)


def processor_time(pairs):
    return sum(pair.server.processor_time() for pair in pairs)


def measure(command, connections, messages, most):
    with ExitStack() as stack:
        processes = -(-connections // most)
        pairs = [Pair(command, stack) for _ in range(processes)]
        for pair in pairs:
            pair.warm_up()
        time.sleep(0.1)
        own, kernel = private_memory(pairs), kernel_memory()
        for pair in pairs:
            pair.connect(connections // processes, max(1, AT_A_TIME // processes))
        run_all(pairs, connections)  # warms up, and uses every connection once
        grown, kernel_grown = private_memory(pairs), kernel_memory()
        before = processor_time(pairs)
        results = run_all(pairs, messages)
        time_taken = processor_time(pairs) - before
    return {
        "processes": processes,
        "ns": time_taken / messages,
        "p99_us": max(result["p99_us"] for result in results),
        "private": (grown - own) / connections,
        "kernel": (kernel_grown - kernel) / connections,
    }


def most_for_one_process(numbers):
    """Returns how many connections one server may have here; says so if several servers are needed."""
    most = raise_descriptor_limit(max(numbers) + SPARE) - SPARE
    for number in numbers:
        if number > most:
            print(f"{number} connections in {-(-number // most)} servers instead of one: a process may open "
                  f"{most + SPARE} files, and this one may not raise the limit (RLIMIT_NOFILE)", file=sys.stderr)
    return most


def compare(contestants, arguments, numbers, most):
    messages = max(arguments.messages, 2 * max(numbers))
    progress = figures.Progress(len(numbers) * arguments.rounds * len(contestants))
    samples = {}
    for connections in numbers:
        samples[connections] = figures.interleaved(
            contestants, arguments.rounds, lambda command: measure(command, connections, messages, most), progress,
            f"{connections} connections: ")
    progress.clear()
    results = []
    for connections, of_servers in samples.items():
        for name, taken in of_servers.items():
            fewest = samples[numbers[0]].get(name)
            growth = {"growth": figures.ratio(taken, fewest, "ns")} if fewest else {}
            results.append({"connections": connections, "server": name, **figures.medians(taken), **growth})
    return results


def show(results):
    columns = [("connections", "d"), ("processes", ".0f"), ("server", ""), ("ns/message", ".0f"), ("to the fewest", ".2f"),
               ("p99 us", ".1f"), ("private B/conn", ".0f"), ("kernel B/conn, both ends", ".0f")]
    rows, last = [], None
    for got in results:
        if last not in (None, got["connections"]):
            rows.append(None)
        last = got["connections"]
        rows.append([last, got["processes"], got["server"], got["ns"], got.get("growth"), got["p99_us"], got["private"],
                     got["kernel"]])
    print(figures.table(columns, rows))


def main():
    parser = figures.options(__doc__, rounds=3)
    parser.add_argument("--connections", type=figures.numbers, default=[1_000, 10_000, 100_000])
    parser.add_argument("--messages", type=int, default=200_000, help="per run")
    arguments = parser.parse_args()

    numbers = sorted(arguments.connections)
    most = most_for_one_process(numbers)
    usual = {name: servers.ECHO_SERVERS[name] for name in USUAL}
    contestants = servers.prepare(arguments.servers, makers=servers.ECHO_SERVERS if arguments.servers else usual)
    results = compare(contestants, arguments, numbers, most)
    figures.report(results, arguments.json, show)


if __name__ == "__main__":
    main()
