#!/usr/bin/env python3
"""Compares the cost of finding out which descriptors are ready, in one interleaved run.

    Benchmarks/poller.py [--rounds N] [--pairs 100,1000,8000] [--active 10,100] [--chains N] [--idle]
                         [--servers C,Poller,...] [--backends epoll,poll,select,io_uring] [--json]

The work is that of libevent's bench. A byte is written to --active of --pairs socket pairs. Each pair that becomes
readable is read, and a byte is written to the next one, until 1000 have been written. The figure is the processor time
per event, including the read and the write, and its ratio to the same program in C on the same system call. In each
round, every program is measured once, in an order that changes. The medians of the rounds are shown, followed by the
median of the cells of each backend. The programs have to agree on what was ready.

On io_uring, the C program is edge-triggered, and reads everything there is; `Poller edge` does the same. `Poller` and
`Multiplexer` are level-triggered, as on the other backends, and read byte by byte.

With --idle, the bytes stay unread: the ratio of a bare wait is the worst possible.
"""
import os
import statistics
import subprocess
import sys

from harness import building, figures, servers
from harness.processes import SERVER_CORE, Failure

YARDSTICK = "C"
# On io_uring, these are edge-triggered: the order of completions decides where the last bytes of a chain go.
BY_EDGES = ("C", "Poller edge")


def prepare():
    """Compiles the C program and the Swift one; returns the command of each contestant."""
    loop = building.c_program("poller-loop")
    bench = building.benchmark("poller-bench")
    return {
        YARDSTICK: [loop], "Poller": [bench, "poller"], "Poller edge": [bench, "poller-edge"],
        "Multiplexer": [bench, "multiplexer"],
    }


def contestants_on(backend, contestants, is_idle):
    """Returns the contestants that do the same as C on a backend. Edges report bytes that stay unread only once."""
    has_edges = backend == "io_uring" and not is_idle
    return {name: command for name, command in contestants.items() if has_edges or name != "Poller edge"}


def measure(command, work, backend, pairs, active, times):
    """Runs one program; returns its nanoseconds per event and the sum of what it found."""
    arguments = [*command, work, backend, str(pairs), str(active), str(times)]
    pin = lambda: os.sched_setaffinity(0, {SERVER_CORE})
    done = subprocess.run(arguments, capture_output=True, text=True, preexec_fn=pin)
    if done.returncode != 0:
        raise Failure(done.stderr.strip() or f"exit status {done.returncode}")
    time, total = done.stdout.split()
    return {"ns_per_event": float(time), "sum": int(total)}


def check(samples, backend):
    """Exits unless the programs that read byte by byte agree."""
    names = [name for name in samples if backend != "io_uring" or name not in BY_EDGES]
    if len({sample["sum"] for name in names for sample in samples[name]}) > 1:
        sys.exit(f"{backend}: the programs disagree on what was ready")


def show(cells):
    columns = [("backend", ""), ("pairs", "d"), ("active", "d"), ("program", ""), ("ns/event", ".1f"), ("ratio", ".3f")]
    rows = []
    for backend in dict.fromkeys(cell["backend"] for cell in cells):
        ratios = {}
        for cell in (cell for cell in cells if cell["backend"] == backend):
            for name, got in cell["programs"].items():
                rows.append([backend, cell["pairs"], cell["active"], name, got["ns_per_event"], got["ratio"]])
                ratios.setdefault(name, []).append(got["ratio"])
        rows += [[backend, "median", "cell", name, None, statistics.median(all)] for name, all in ratios.items()]
    print(figures.table(columns, rows))


def main():
    parser = figures.options(__doc__, rounds=21)
    parser.add_argument("--pairs", type=figures.numbers, default=[100, 1000, 8000])
    parser.add_argument("--active", type=figures.numbers, default=[10, 100])
    parser.add_argument("--chains", type=int, default=10, help="per run; with --idle, as many events")
    parser.add_argument("--idle", action="store_true", help="leave the bytes unread")
    parser.add_argument("--backends", type=figures.names, default=["epoll", "poll", "select", "io_uring"])
    arguments = parser.parse_args()
    try:
        contestants = servers.chosen(prepare(), arguments.servers, always=(YARDSTICK,))
    except building.Unavailable as reason:
        sys.exit(f"poller.py: {reason}")

    work = "idle" if arguments.idle else "chain"
    plan = [
        (backend, pairs, active)
        for backend in arguments.backends for pairs in arguments.pairs for active in arguments.active
    ]
    progress = figures.Progress(
        arguments.rounds * sum(len(contestants_on(cell[0], contestants, arguments.idle)) for cell in plan))
    cells = []
    for backend, pairs, active in plan:
        times = max(1, arguments.chains * 1000 // active) if arguments.idle else arguments.chains
        samples = figures.interleaved(
            contestants_on(backend, contestants, arguments.idle), arguments.rounds,
            lambda command: measure(command, work, backend, pairs, active, times), progress,
            what=f"{backend}, {pairs} pairs, {active} active: ", base=YARDSTICK)
        check(samples, backend)
        programs = {
            name: {
                "ns_per_event": figures.medians(taken)["ns_per_event"],
                "ratio": figures.ratio(taken, samples[YARDSTICK], "ns_per_event"),
            }
            for name, taken in samples.items()
        }
        cells.append({"work": work, "backend": backend, "pairs": pairs, "active": active, "programs": programs})
    progress.clear()
    figures.report(cells, arguments.json, show)


if __name__ == "__main__":
    main()
