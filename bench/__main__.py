"""``python -m bench``: measure credtrail beside its peers, and write the table."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from bench import report, sets
from bench.contest import Bench
from bench.rows import ROWS, Row


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--events", type=_sizes, default="3m,10m,30m", help="sizes of trails")
    parser.add_argument("--rates", type=_rates, default="3,30", help="events per instance-hour")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each contestant at most")
    parser.add_argument(
        "--minutes", type=float, default=0, help="no further turn of a contest beyond this; 0: none"
    )
    parser.add_argument(
        "--resume", action="store_true", help="keep the rows of a sitting that was broken off"
    )
    parser.add_argument("--instances", type=int, default=20_000, help="of a fleet with history")
    parser.add_argument("--history", type=_days, default="30,365", help="days of history")
    parser.add_argument("--only", type=_names, default=tuple(ROWS), help=f"some of {list(ROWS)}")
    parser.add_argument("--cache", type=Path, default=Path("build/bench"), help="folder of trails")
    args = parser.parse_args()
    cache = args.cache.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    bench = Bench(
        cache=cache,
        events=args.events,
        rates=args.rates,
        repeats=args.repeats,
        minutes=args.minutes,
        instances=args.instances,
        history=args.history,
    )
    found: dict[str, list[Row]] = report.earlier(bench) if args.resume else {}
    to_measure = [name for name in args.only if name not in found]
    for name in to_measure:
        began = time.monotonic()
        print(f"{name}: {(ROWS[name].__doc__ or '').strip()}", flush=True)
        found[name] = list(ROWS[name](bench))
        print(f"  {time.monotonic() - began:,.0f} s", flush=True)
        report.write(bench, found)
    if not to_measure:
        report.write(bench, found)


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(sets.size(part) for part in text.split(","))


def _rates(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


def _days(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := set(names) - set(ROWS):
        msg = f"no such row: {', '.join(sorted(unknown))}; known: {', '.join(ROWS)}"
        raise argparse.ArgumentTypeError(msg)
    return names


if __name__ == "__main__":
    main()
