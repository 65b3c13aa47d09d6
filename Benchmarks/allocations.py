#!/usr/bin/env python3
"""Counts the allocations and system calls that servers make per message in the steady state.

Allocations are counted by a library that is loaded before the server's own (peers/malloc-count.c), between two points:
after a warm-up, and after --messages more messages. System calls are counted by strace, which slows a server down: with
many connections, it then finds more of them ready in a turn, so there are fewer waits than without strace.
"""
import re
import signal
import struct
import sys
import tempfile
from pathlib import Path

from harness import building, figures, servers
from harness.processes import LOAD_CORE, Failure, Load, Process, Server

# Connections, bytes, depth.
ALLOCATION_CELLS = [(1, 64, 1), (50, 64, 1), (50, 1024, 16)]
CALL_CELLS = [(1, 64, 1), (50, 64, 1)]
CALLS_LIMIT = 2.0


def without_python():
    """The servers except those in Python, which has its own allocator: counting malloc says nothing about it."""
    return {name: make for name, make in servers.ECHO_SERVERS.items() if name not in ("asyncio", "uvloop")}


def count_allocations(command, cell, messages):
    library = building.c_program("malloc-count", "-shared", "-fPIC")
    with tempfile.NamedTemporaryFile() as counter:
        def count():
            return struct.unpack("Q", Path(counter.name).read_bytes()[:8])[0]

        environment = {"LD_PRELOAD": str(library), "MALLOC_COUNT": counter.name}
        with Server(command, environment=environment) as server, Load("echo-load", server.port, *cell) as load:
            load.run(max(10_000, messages // 10))
            before = count()
            if before == 0:
                raise Failure("it doesn't allocate through malloc")
            load.run(messages)
            return {"allocations": count() - before}


def count_calls(command, cell, messages):
    """Returns the system calls that a server makes for this many messages, by name."""
    strace = building.installed("strace")
    with Server(command) as server, Load("echo-load", server.port, *cell) as load, \
            tempfile.NamedTemporaryFile() as summary:
        load.run(200)
        options = ["-f", "-c", "-U", "calls,name", "-o", summary.name, "-p", server.pid]
        with Process([strace, *options], LOAD_CORE) as tracer:
            tracer.wait_for_message("attached")
            load.run(messages)
            tracer.process.send_signal(signal.SIGINT)
            tracer.process.wait()
        return {name: int(calls) for calls, name in re.findall(r"^\s*(\d+) (\w+)$", summary.read().decode(), re.M)
                if name != "total"}


def shown_calls(calls, messages):
    most = sorted(calls.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {count / messages:.2f}" for name, count in most if count / messages >= 0.01)


def allocation_table(rows, messages):
    columns = [("conns", "d"), ("bytes", "d"), ("depth", "d"), ("server", ""), (f"mallocs in {messages} messages", "d"),
               ("target", ""), ("", "")]

    def target(name, count):
        # A few allocations are the reactor's own housekeeping, not per message.
        return ("none per message", figures.verdict(count < messages / 1000)) if servers.is_ours(name) else ("", "")

    return figures.table(columns, [[*cell, name, count, *target(name, count)] for cell, name, count in rows])


def call_table(rows, messages):
    columns = [("conns", "d"), ("bytes", "d"), ("depth", "d"), ("server", ""), ("calls/message", ".2f"), ("target", ""),
               ("", ""), ("which", "")]
    shown = []
    for cell, name, calls in rows:
        each = sum(calls.values()) / messages
        # With one connection, each message takes a wait, too.
        limit = CALLS_LIMIT + (1 if cell[0] == 1 else 0)
        is_met = figures.verdict(each <= limit + 0.05)
        target = (f"{limit:.0f}", is_met) if servers.is_ours(name) else ("", "")
        shown.append([*cell, name, each, *target, shown_calls(calls, messages)])
    return figures.table(columns, shown)


def collect(contestants, cells, count, progress):
    rows = []
    for cell in cells:
        for name, command in contestants.items():
            progress.step("{} x {} B x {}: {}".format(*cell, name))
            try:
                rows.append((cell, name, count(command, cell)))
            except (Failure, building.Unavailable) as reason:
                progress.clear()
                print(f"{name} failed: {reason}", file=sys.stderr, flush=True)
    return rows


def main():
    parser = figures.options(__doc__, rounds=1)
    parser.add_argument("--messages", type=int, default=100_000, help="messages to count allocations over")
    parser.add_argument("--traced", type=int, default=1_000, help="messages to count system calls over")
    arguments = parser.parse_args()

    contestants = servers.prepare(arguments.servers, makers=without_python())
    progress = figures.Progress(len(contestants) * (len(ALLOCATION_CELLS) + len(CALL_CELLS)))
    allocations = collect(
        contestants, ALLOCATION_CELLS,
        lambda command, cell: count_allocations(command, cell, arguments.messages)["allocations"], progress)
    calls = collect(
        contestants, CALL_CELLS, lambda command, cell: count_calls(command, cell, arguments.traced), progress)
    progress.clear()
    if arguments.json:
        keys = ("connections", "size", "depth")
        figures.show_json({
            "messages": arguments.messages, "traced": arguments.traced,
            "allocations": [{**dict(zip(keys, cell)), "server": name, "count": count}
                            for cell, name, count in allocations],
            "calls": [{**dict(zip(keys, cell)), "server": name, "calls": found} for cell, name, found in calls],
        })
        return
    print(allocation_table(allocations, arguments.messages))
    print()
    print(call_table(calls, arguments.traced))


if __name__ == "__main__":
    main()
