#!/usr/bin/env python3
"""Measures how the cost of a message grows with the number of connections: up to 100,000 at once, echoing in turn.

A hundred messages are in flight at any time, and the connections have their turn one after the other, so that every one
of them is used. The figures are the server's processor time per message, its ratio to the smallest number of
connections, and memory per connection: the server's own, and the kernel's for both ends of it.
"""
import sys
import time

from harness import figures, servers
from harness.processes import Load, Server, kernel_memory, raise_descriptor_limit

SIZE, AT_A_TIME = 64, 100
PORTS = 20_000  # connections between one address and the server
SPARE = 200  # files that are open besides connections
# Select and poll look at every connection in every wait: they are left out unless asked for.
USUAL = (servers.YARDSTICK, servers.TO_BEAT, "async epoll", "async io_uring", "mux epoll", "mux io_uring")


def measure(command, connections, messages):
    with Server(command) as server:
        with Load("echo-load", server.port, AT_A_TIME, SIZE, 1) as load:
            load.run(AT_A_TIME * 10)
        time.sleep(0.1)
        own, kernel = server.memory(), kernel_memory()
        sources = 1 + connections // PORTS
        with Load("echo-load", server.port, connections, SIZE, 1, "--in-turn", AT_A_TIME, "--sources", sources) as load:
            load.run(connections)  # warms up, and has every connection used once
            grown, kernel_grown = server.memory(), kernel_memory()
            before = server.processor_time()
            result = load.run(messages)
            time_taken = server.processor_time() - before
    return {
        "ns": time_taken / messages,
        "p99_us": result["p99_us"],
        "private": (grown["private_dirty"] - own["private_dirty"]) / connections,
        "kernel": (kernel_grown - kernel) / connections,
    }


def possible(numbers):
    """The numbers of connections, no larger than this machine allows; says what limits it."""
    most = raise_descriptor_limit(max(numbers) + SPARE) - SPARE
    for number in numbers:
        if number > most:
            print(f"{most} connections instead of {number}: a process may open {most + SPARE} files, and this one may "
                  "not raise that (RLIMIT_NOFILE)", file=sys.stderr)
    return sorted({min(number, most) for number in numbers})


def compare(contestants, arguments, numbers):
    messages = max(arguments.messages, 2 * max(numbers))
    progress = figures.Progress(len(numbers) * arguments.rounds * len(contestants))
    samples = {}
    for connections in numbers:
        samples[connections] = figures.interleaved(
            contestants, arguments.rounds, lambda command: measure(command, connections, messages), progress,
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
    columns = [("connections", "d"), ("server", ""), ("ns/message", ".0f"), ("to the fewest", ".2f"), ("p99 us", ".1f"),
               ("private B/conn", ".0f"), ("kernel B/conn, both ends", ".0f")]
    rows, last = [], None
    for got in results:
        if last not in (None, got["connections"]):
            rows.append(None)
        last = got["connections"]
        rows.append([last, got["server"], got["ns"], got.get("growth"), got["p99_us"], got["private"], got["kernel"]])
    print(figures.table(columns, rows))


def main():
    parser = figures.options(__doc__, rounds=3)
    parser.add_argument("--connections", type=figures.numbers, default=[1_000, 10_000, 100_000])
    parser.add_argument("--messages", type=int, default=200_000, help="of each run")
    arguments = parser.parse_args()

    numbers = possible(arguments.connections)
    usual = {name: servers.ECHO_SERVERS[name] for name in USUAL}
    contestants = servers.prepare(arguments.servers, makers=servers.ECHO_SERVERS if arguments.servers else usual)
    results = compare(contestants, arguments, numbers)
    figures.report(results, arguments.json, show)


if __name__ == "__main__":
    main()
