"""Servers and load generators as processes, each on a core of its own, and what the kernel knows about them."""
import json
import os
import re
import resource
import select
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from .building import Unavailable, c_program

_cores = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = _cores[0], _cores[min(1, len(_cores) - 1)]


class Failure(Exception):
    """A measurement that went wrong."""


def raise_descriptor_limit(wanted):
    """Lets this process, and what it starts, open so many files; returns how many it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limits in ((wanted, max(hard, wanted)), (min(wanted, hard), hard)):
        try:
            if limits[0] > soft:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            break
        except (ValueError, OSError):
            continue
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def start(command, core, **options):
    command = [str(part) for part in command]
    return subprocess.Popen(command, preexec_fn=lambda: os.sched_setaffinity(0, {core}), **options)


def read_line(stream, seconds):
    """The next line of a process, or an empty one if it ends or takes too long."""
    ready, _, _ = select.select([stream], [], [], seconds)
    return stream.readline().decode() if ready else ""


class Process:
    """A process that ends with the block that it was started for, and whatever it says on standard error."""

    def __init__(self, command, core, environment=None, **options):
        self.complaints = tempfile.TemporaryFile()
        environment = {**os.environ, **(environment or {})}
        try:
            self.process = start(
                command, core, stdout=subprocess.PIPE, stderr=self.complaints, env=environment, bufsize=0,
                start_new_session=True, **options)
        except FileNotFoundError:
            raise Unavailable(f"{command[0]} is not installed") from None
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # The whole group: a server may have a process for each connection.
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.complaints):
            if stream:
                stream.close()

    def complaint(self):
        """The last line on standard error."""
        # Read at a place of its own: the process goes on writing where it was.
        text = os.pread(self.complaints.fileno(), 1 << 20, 0).decode(errors="replace")
        lines = text.strip().splitlines()
        return lines[-1] if lines else ""

    def wait_for_complaint(self, words):
        deadline = time.monotonic() + 20
        while words not in self.complaint():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise Failure(self.complaint() or "it takes too long")
            time.sleep(0.01)


class Server(Process):
    """A server that listens. One that can't be asked for its port is told which to use."""

    def __init__(self, command, core=SERVER_CORE, port=None, environment=None):
        super().__init__(command, core, environment)
        try:
            self.port = port or self._announced_port()
            if port:
                self._wait_until_it_listens()
        except BaseException:
            self.__exit__()
            raise

    def _announced_port(self):
        line = read_line(self.process.stdout, 20)
        announced = re.match(r"listening on \S+:(\d+)", line)
        if announced:
            return int(announced[1])
        raise Unavailable(self.complaint() or line.strip() or "it doesn't say where it listens")

    def _wait_until_it_listens(self):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                return socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
        raise Unavailable(self.complaint() or "it doesn't listen")

    def processor_time(self):
        """The nanoseconds that the process, and its children, have run."""
        return sum(processor_time(pid) for pid in family(self.pid))

    def memory(self):
        return memory(self.pid)


class Load(Process):
    """A load generator (see peers/load.h): ready to work when it is made."""

    def __init__(self, program, *arguments, core=LOAD_CORE):
        super().__init__([c_program(program), *arguments], core, stdin=subprocess.PIPE)
        try:
            self.finish()
        except BaseException:
            self.__exit__()
            raise

    def run(self, work):
        self.begin(work)
        return self.finish()

    def begin(self, work):
        self.process.stdin.write(b"%d\n" % work)

    def finish(self):
        line = read_line(self.process.stdout, 180)
        if line:
            return json.loads(line)
        raise Failure(self.complaint() or "the load generator doesn't answer")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def processor_time(pid):
    """The time that all threads of a process have run, ended ones included, in nanoseconds."""
    # The kernel's number for a process's clock: see clock_getcpuclockid(3).
    return time.clock_gettime_ns(~pid << 3 | 2)


def family(pid):
    """A process and all of its descendants."""
    children = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        children += [int(child) for child in task.read_text().split()]
    return [pid] + [one for child in children for one in family(child)]


def memory(pid):
    """What a process has resident, and which part of it is its own, in bytes."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kibibytes = {name: int(value) for name, value in re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)}
    return {"resident": kibibytes["Rss"] * 1024, "private_dirty": kibibytes["Private_Dirty"] * 1024}


def kernel_memory():
    """What the kernel has for its own objects and for what sockets hold, in bytes, over the whole machine."""
    slab = int(re.search(r"^Slab:\s+(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)[1]) * 1024
    tcp = re.search(r"^TCP:.* mem (\d+)", Path("/proc/net/sockstat").read_text(), re.MULTILINE)
    return slab + (int(tcp[1]) if tcp else 0) * resource.getpagesize()
