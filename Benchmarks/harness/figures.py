"""Rounds, medians, tables and progress."""
import argparse
import json
import random
import signal
import statistics
import sys

from .processes import Failure


class Progress:
    """Progress on standard error: one line that is overwritten on a terminal, otherwise a line every 5 %."""

    def __init__(self, total):
        self.total = total
        self.done = 0

    def step(self, what):
        self.done += 1
        percent = f"{100 * self.done // self.total:>3} %"
        if sys.stderr.isatty():
            print(f"\r\033[K{percent}  {what}", end="", file=sys.stderr, flush=True)
        elif 100 * self.done // self.total // 5 > 100 * (self.done - 1) // self.total // 5:
            print(f"{percent}  {what}", file=sys.stderr, flush=True)

    @staticmethod
    def clear():
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def interleaved(contestants, rounds, measure, progress, what="", base=None):
    """Measures each contestant once per round, in an order that changes, so that noise affects all of them alike.

    `measure` takes a command and returns figures by name. Returns a list of them for each contestant. A contestant that
    fails is left out, with a line that says so; if the base of the comparison fails, the program exits.
    """
    samples = {name: [] for name in contestants}
    failed = {}
    for _ in range(rounds):
        order = list(contestants)
        random.shuffle(order)
        for name in order:
            progress.step(f"{what}{name}")
            if name in failed:
                continue
            try:
                samples[name].append(measure(contestants[name]))
            except Failure as reason:
                if name == base:
                    sys.exit(f"{what}{name} failed: {reason}")
                failed[name] = reason
                progress.clear()
                print(f"{what}{name} failed: {reason}", file=sys.stderr, flush=True)
    return {name: taken for name, taken in samples.items() if name not in failed}


def medians(samples):
    """Returns the median of each figure over the rounds of one contestant."""
    return {key: statistics.median(sample[key] for sample in samples) for key in samples[0]}


def ratio(samples, base, key):
    """Returns the median of two contestants' ratios by round: figures from one round share the same conditions."""
    pairs = [(mine[key], theirs[key]) for mine, theirs in zip(samples, base) if theirs[key] > 0]
    return statistics.median(mine / theirs for mine, theirs in pairs) if pairs else float("nan")


def table(columns, rows):
    """Aligns rows; a column is a heading and a format. Text (no format) is left-aligned, numbers are right-aligned.

    A row that is None becomes an empty line.
    """
    def cell(value, style):
        if value is None:
            return "-"
        return format(value, style) if style and not isinstance(value, str) else str(value)

    texts = [row and [cell(value, style) for value, (_, style) in zip(row, columns)] for row in rows]
    widths = [
        max([len(heading)] + [len(row[i]) for row in texts if row]) for i, (heading, _) in enumerate(columns)
    ]

    def line(cells):
        aligned = [
            text.rjust(width) if style else text.ljust(width)
            for text, width, (_, style) in zip(cells, widths, columns)
        ]
        return "  ".join(aligned).rstrip()

    return "\n".join([line([heading for heading, _ in columns])] + [line(row) if row else "" for row in texts])


def verdict(is_met):
    return "met" if is_met else "missed"


def numbers(text):
    return [int(part) for part in text.split(",")]


def names(text):
    return [part.strip() for part in text.split(",")]


def options(description, rounds):
    """Returns a parser with the options that all benchmarks share."""
    # Exits in the usual way on SIGTERM, so that the processes it has started end, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser(
        description=description.split("\n")[0], epilog=description.split("\n", 1)[1],
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument(
        "--servers", type=names, help="those whose names begin with these: 'async,libuv'; the baseline is always there")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")
    return parser


def show_json(results):
    print(json.dumps(results, indent=2))


def report(results, as_json, show):
    """Prints the results: as JSON, or as `show` formats them."""
    if as_json:
        show_json(results)
    else:
        show(results)
