"""Servers and load generators as processes, each pinned to a core, and what the kernel reports about them."""
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
    """Lets this process and its children open this many files, if possible; returns the resulting limit."""
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
    """Returns the next line from a process, or an empty string if it exits or takes too long."""
    ready, _, _ = select.select([stream], [], [], seconds)
    return stream.readline().decode() if ready else ""


class Process:
    """A process that is killed at the end of its `with` block, and its standard error."""

    def __init__(self, command, core, environment=None, **options):
        self.errors = tempfile.TemporaryFile()
        environment = {**os.environ, **(environment or {})}
        try:
            self.process = start(
                command, core, stdout=subprocess.PIPE, stderr=self.errors, env=environment, bufsize=0,
                start_new_session=True, **options)
        except FileNotFoundError:
            raise Unavailable(f"{command[0]} is not installed") from None
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # The whole group: a server may have a process per connection.
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            if stream:
                stream.close()

    def last_message(self):
        """Returns the last line on standard error."""
        # With pread, which leaves the process's own file position alone.
        text = os.pread(self.errors.fileno(), 1 << 20, 0).decode(errors="replace")
        lines = text.strip().splitlines()
        return lines[-1] if lines else ""

    def wait_for_message(self, words):
        deadline = time.monotonic() + 20
        while words not in self.last_message():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise Failure(self.last_message() or "it takes too long")
            time.sleep(0.01)


class Server(Process):
    """A listening server. A server that doesn't print its port is given one."""

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
        raise Unavailable(self.last_message() or line.strip() or "it doesn't say where it listens")

    def _wait_until_it_listens(self):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                return socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
        raise Unavailable(self.last_message() or "it doesn't listen")

    def processor_time(self):
        """Returns the processor time of the process and its children, in nanoseconds."""
        return sum(processor_time(pid) for pid in family(self.pid))

    def memory(self):
        return memory(self.pid)


class Load(Process):
    """A load generator (see peers/load.h) that is connected and ready."""

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
        raise Failure(self.last_message() or "the load generator doesn't respond")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def processor_time(pid):
    """Returns the processor time of all threads of a process, including those that have ended, in nanoseconds."""
    # The clock ID of another process: see clock_getcpuclockid(3).
    return time.clock_gettime_ns(~pid << 3 | 2)


def family(pid):
    """Returns the IDs of a process and all of its descendants."""
    children = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        children += [int(child) for child in task.read_text().split()]
    return [pid] + [one for child in children for one in family(child)]


def memory(pid):
    """Returns a process's resident memory, and its private dirty part, in bytes."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kibibytes = {name: int(value) for name, value in re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)}
    return {"resident": kibibytes["Rss"] * 1024, "private_dirty": kibibytes["Private_Dirty"] * 1024}


def kernel_memory():
    """Returns the kernel's memory for its objects and for TCP's buffers, in bytes, on the whole machine."""
    slab = int(re.search(r"^Slab:\s+(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)[1]) * 1024
    tcp = re.search(r"^TCP:.* mem (\d+)", Path("/proc/net/sockstat").read_text(), re.MULTILINE)
    return slab + (int(tcp[1]) if tcp else 0) * resource.getpagesize()
