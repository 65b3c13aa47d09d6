#!/usr/bin/env python3
"""Compares relays: `mux relay`, HAProxy in TCP mode and socat, in one interleaved run.

Each forwards between a load generator and a C echo server, so every message passes through it twice. The figures are
the relay's processor time per GiB forwarded in bulk, and per small message, and their ratios to HAProxy. socat has a
process per connection; all of them are counted.
"""
import tempfile
from pathlib import Path

from harness import building, figures, servers
from harness.processes import LOAD_CORE, Load, Server, free_port

YARDSTICK = "HAProxy"
PEERS = ("HAProxy", "HAProxy splice", "socat")
BULK = {"connections": 4, "size": 1 << 20, "depth": 2}
SMALL = {"connections": 50, "size": 64, "depth": 1}

HAPROXY = """
global
  nbthread 1
  maxconn 4096
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen relay
  bind 127.0.0.1:{port}
  server target 127.0.0.1:{target}
"""


# Each finds the program that it needs, and returns a function that starts the relay, given the target's port and a
# directory for its files.

def mux_relay(backend):
    mux = building.mux()
    return lambda target, _: Server(
        [mux, "relay", "--listen", "127.0.0.1:0", "--to", f"127.0.0.1:{target}", "--backend", backend])


def haproxy(*options):
    program = building.installed("haproxy")

    def start(target, directory):
        port = free_port()
        settings = HAPROXY.format(port=port, target=target) + "".join(f"  {option}\n" for option in options)
        path = Path(directory) / "haproxy.cfg"
        path.write_text(settings)
        return Server([program, "-db", "-f", path], port=port)

    return start


def socat():
    program = building.installed("socat")

    def start(target, _):
        port = free_port()
        here = f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,nodelay,backlog=1024"
        return Server([program, "-b", "65536", here, f"TCP:127.0.0.1:{target},nodelay"], port=port)

    return start


RELAYS = {
    **{f"mux {backend}": (lambda backend=backend: mux_relay(backend)) for backend in servers.BACKENDS},
    "HAProxy": haproxy,
    "HAProxy splice": lambda: haproxy("option splice-auto"),
    "socat": socat,
}


def measure(start, load, requests):
    """Returns the relay's processor time per message that it forwards in one direction, in nanoseconds."""
    target = [building.c_program("epoll-echo")]
    with tempfile.TemporaryDirectory() as directory, Server(target, core=LOAD_CORE) as echo:
        with start(echo.port, directory) as relay, Load("echo-load", relay.port, *load.values()) as generator:
            generator.run(max(load["connections"], requests // 10))  # warms up
            before = relay.processor_time()
            generator.run(requests)
            return {"ns": (relay.processor_time() - before) / requests / 2}


def try_out(start):
    """Raises `Unavailable` if the relay doesn't start."""
    with tempfile.TemporaryDirectory() as directory, start(free_port(), directory):
        pass


def target_of(name, results):
    """Returns the target of a relay, the cost of the best of its peers, and whether it is met."""
    if not servers.is_ours(name):
        return "", ""
    best = min(results[peer]["ratio"] for peer in PEERS if peer in results)
    return f"{best:.2f}", figures.verdict(results[name]["ratio"] <= best)


def show(bulk, small):
    columns = [("relay", ""), ("ms/GiB", ".0f"), ("to HAProxy", ".2f"), ("target", ""), ("", ""),
               ("ns/message", ".0f"), ("to HAProxy", ".2f"), ("target", ""), ("", "")]
    rows = []
    for name in bulk:
        if name in small:
            rows.append([name, bulk[name]["ns"] / BULK["size"] * 2**30 / 1e6, bulk[name]["ratio"],
                         *target_of(name, bulk), small[name]["ns"], small[name]["ratio"], *target_of(name, small)])
    print(figures.table(columns, rows))


def main():
    parser = figures.options(__doc__, rounds=5)
    parser.add_argument("--mebibytes", type=int, default=512, help="to echo in bulk per run")
    parser.add_argument("--messages", type=int, default=50_000, help="to echo per run")
    arguments = parser.parse_args()

    contestants = servers.prepare(arguments.servers, (YARDSTICK,), RELAYS, try_out)
    progress = figures.Progress(2 * arguments.rounds * len(contestants))
    results = []
    for what, load, requests in (("bulk", BULK, arguments.mebibytes), ("small", SMALL, arguments.messages)):
        samples = figures.interleaved(
            contestants, arguments.rounds, lambda start: measure(start, load, requests), progress, f"{what}: ",
            YARDSTICK)
        base = samples[YARDSTICK]
        results.append({
            name: {**figures.medians(taken), "ratio": figures.ratio(taken, base, "ns")}
            for name, taken in samples.items()
        })
    progress.clear()
    if arguments.json:
        figures.show_json(dict(zip(("bulk", "small"), results)))
    else:
        show(*results)


if __name__ == "__main__":
    main()
