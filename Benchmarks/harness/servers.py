"""The echo servers that are compared, and how each is built and started."""
import sys

from . import building
from .building import Unavailable
from .processes import Server

YARDSTICK = "C epoll"
TO_BEAT = "C io_uring"
BACKENDS = ("epoll", "poll", "select", "io_uring")


def async_echo(backend, *way):
    return lambda: [building.benchmark("async-echo"), backend, *way]


def mux_serve(backend):
    return lambda: [building.mux(), "serve", "--listen", "127.0.0.1:0", "--backend", backend]


# Each returns the command that starts a server.
ECHO_SERVERS = {
    YARDSTICK: lambda: [building.c_program("epoll-echo")],
    TO_BEAT: lambda: [building.c_program("uring-echo")],
    **{f"async {backend}": async_echo(backend) for backend in BACKENDS},
    # On the other backends, `mux serve` shows the cost of chunks.
    **{f"{way} {backend}": async_echo(backend, way) for way in ("each", "chunks") for backend in ("epoll", "io_uring")},
    **{f"mux {backend}": mux_serve(backend) for backend in BACKENDS},
    "bare tasks": lambda: [building.benchmark("bare-tasks")],
    "libuv": lambda: [building.c_program("libuv-echo", "-luv")],
    "libevent": lambda: [building.c_program("libevent-echo", "-levent_core")],
    "tokio": lambda: [building.rust_peer("tokio-echo")],
    "SwiftNIO": lambda: [building.swift_peer("nio-echo"), "handler"],
    "SwiftNIO async": lambda: [building.swift_peer("nio-echo"), "async"],
    "FlyingSocks": lambda: [building.swift_peer("flying-echo")],
    "asyncio": lambda: building.python_peer("asyncio"),
    "uvloop": lambda: building.python_peer("uvloop"),
}


def is_ours(name):
    return name.startswith(("async ", "each ", "chunks ", "mux "))


def choose(names, wanted, always=()):
    """Returns the names that begin with one of the wanted words, ignoring case; all of them if nothing is wanted."""
    def is_meant(name, words):
        return f"{name} ".lower().startswith(f"{words} ".lower())

    for words in wanted or ():
        if not any(is_meant(name, words) for name in names):
            sys.exit(f"unknown server '{words}': choose from {', '.join(names)}")
    return [
        name for name in names
        if not wanted or name in always or any(is_meant(name, words) for words in wanted)
    ]


def chosen(prepared, wanted, always=()):
    """Returns the chosen contestants, as `choose` does their names."""
    return {name: prepared[name] for name in choose(list(prepared), wanted, always)}


def try_out(command):
    """Raises `Unavailable` if the server doesn't start."""
    with Server(command):
        pass


def prepare(wanted=None, always=(YARDSTICK,), makers=ECHO_SERVERS, try_out=try_out):
    """Builds servers and tries each; returns their commands by name. Says which are left out, and why."""
    prepared = {}
    for name in choose(list(makers), wanted, always):
        try:
            made = makers[name]()
            try_out(made)
            prepared[name] = made
        except Unavailable as reason:
            print(f"without {name}: {reason}", file=sys.stderr, flush=True)
    for name in always:
        if name not in prepared:
            sys.exit(f"nothing can be compared without {name}")
    return prepared
