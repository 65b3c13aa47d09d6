#!/usr/bin/env python3
"""Compares echo servers in one interleaved run.

The figure is the server's processor time per request, as counted by the kernel, and its ratio to a minimal C server on
epoll: wall time says little on a busy machine. The server runs on one core and the load on another. In each round,
every server is measured once, in an order that changes, so that noise affects all of them alike; the median of the
rounds is shown. The load generator checks every byte that comes back. Connecting isn't included: see short.py.
"""
import statistics

from harness import figures, servers
from harness.processes import Load, Server, raise_descriptor_limit

# By server: the server it is compared with, the limit in the median cell, and the limit in any cell.
TARGETS = {
    "async epoll": (servers.YARDSTICK, 1.02, 1.10),
    "async io_uring": (servers.TO_BEAT, None, 1.03),
    "each epoll": (servers.YARDSTICK, 1.02, 1.10),
    "each io_uring": (servers.TO_BEAT, None, 1.03),
    "chunks epoll": (servers.YARDSTICK, 1.02, 1.10),
    "chunks io_uring": (servers.TO_BEAT, None, 1.03),
}


def measure(command, connections, size, depth, requests):
    with Server(command) as server, Load("echo-load", server.port, connections, size, depth) as load:
        # Warms up: each connection is used, so all have been accepted before the clock starts.
        load.run(max(1000, 2 * connections * depth, requests // 10))
        before = server.processor_time()
        result = load.run(requests)
        time = server.processor_time() - before
    return {"ns": time / requests, "p50_us": result["p50_us"], "p99_us": result["p99_us"]}


def requests_of(cell, requests):
    """Returns the number of requests for a cell: fewer if messages are long, but several for each connection."""
    connections, size, depth = cell
    return max(connections * max(20, depth * 5), requests * 1024 // max(1024, size))


def compare(contestants, cell, arguments, progress):
    """Returns the medians of each server in one cell."""
    requests = requests_of(cell, arguments.requests)
    what = "{} x {} B x {}: ".format(*cell)
    samples = figures.interleaved(
        contestants, arguments.rounds, lambda command: measure(command, *cell, requests), progress, what,
        servers.YARDSTICK)
    base = samples[servers.YARDSTICK]
    results = {}
    for name, taken in samples.items():
        results[name] = {**figures.medians(taken), "ratio": figures.ratio(taken, base, "ns")}
        if servers.TO_BEAT in samples:
            results[name]["to_uring"] = figures.ratio(taken, samples[servers.TO_BEAT], "ns")
    return results


def cell_table(cells):
    columns = [("conns", "d"), ("bytes", "d"), ("depth", "d"), ("server", ""), ("ns/request", ".0f"),
               ("to C epoll", ".2f"), ("to C io_uring", ".2f"), ("p50 us", ".1f"), ("p99 us", ".1f")]
    rows = []
    for cell in cells:
        for name, got in cell["servers"].items():
            rows.append([cell["connections"], cell["size"], cell["depth"], name, got["ns"], got["ratio"],
                         got.get("to_uring"), got["p50_us"], got["p99_us"]])
        rows.append(None)
    return figures.table(columns, rows[:-1])


def target_of(name, ratios):
    """Returns the target of a server, in words, and whether it is met."""
    if name not in TARGETS:
        return "", ""
    base, in_median, in_any = TARGETS[name]
    mine = ratios["ratio" if base == servers.YARDSTICK else "to_uring"]
    if not mine:
        return "", ""
    parts = [f"median {in_median:.2f}"] if in_median else []
    parts.append(f"any {in_any:.2f} of {base}")
    is_met = max(mine) <= in_any and (in_median is None or statistics.median(mine) <= in_median)
    return ", ".join(parts), figures.verdict(is_met)


def summary_table(cells):
    columns = [("server", ""), ("median cell", ".2f"), ("worst cell", ".2f"), ("median to C io_uring", ".2f"),
               ("worst to C io_uring", ".2f"), ("p99 to C epoll", ".2f"), ("target", ""), ("", "")]
    rows = []
    for name in dict.fromkeys(name for cell in cells for name in cell["servers"]):
        mine = [cell["servers"][name] for cell in cells if name in cell["servers"]]
        ratios = {key: [got[key] for got in mine if key in got] for key in ("ratio", "to_uring")}
        tails = [
            cell["servers"][name]["p99_us"] / cell["servers"][servers.YARDSTICK]["p99_us"]
            for cell in cells if name in cell["servers"]
        ]
        uring = ratios["to_uring"]
        rows.append([name, statistics.median(ratios["ratio"]), max(ratios["ratio"]),
                     statistics.median(uring) if uring else None, max(uring) if uring else None,
                     statistics.median(tails), *target_of(name, ratios)])
    return figures.table(columns, rows)


def main():
    parser = figures.options(__doc__, rounds=7)
    parser.add_argument("--requests", type=int, default=50_000, help="per run, fewer if messages are long")
    parser.add_argument("--connections", type=figures.numbers, default=[1, 50, 1000])
    parser.add_argument("--sizes", type=figures.numbers, default=[64, 1024, 16384])
    parser.add_argument("--depths", type=figures.numbers, default=[1, 16])
    arguments = parser.parse_args()

    raise_descriptor_limit(max(arguments.connections) + 1000)
    contestants = servers.prepare(arguments.servers)
    shapes = [(connections, size, depth) for connections in arguments.connections for size in arguments.sizes
              for depth in arguments.depths]
    progress = figures.Progress(len(shapes) * arguments.rounds * len(contestants))
    cells = []
    for shape in shapes:
        medians = compare(contestants, shape, arguments, progress)
        cells.append({"connections": shape[0], "size": shape[1], "depth": shape[2], "servers": medians})
    progress.clear()
    if arguments.json:
        figures.show_json(cells)
        return
    print(cell_table(cells))
    print("\nRatios of processor time per request, over all cells:\n")
    print(summary_table(cells))


if __name__ == "__main__":
    main()
