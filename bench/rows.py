"""The rows of the table: what is measured for each budget, and whether it is met."""

from __future__ import annotations

import os
import shutil
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench import hourly, same, scanned, sets, tables
from bench.measure import Cost, Costs
from bench.scanned import Opened, of_evidence
from jobs.warehouse import Warehouse
from simulator.bulk.volume import Volume
from transforms import schemas

if TYPE_CHECKING:
    from bench.contest import Bench, Play
    from bench.sets import Trail

_WRONG_USAGE = 2
_HISTORY_DAYS, _DAILY_RUNS = 30, 7


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table.

    Attributes:
        what: is measured.
        ratio: what came out, in words.
        budget: of the design, section 12.
        met: whether it is; none where there is no budget, or no measurement.
        context: absolute figures and the like.
        turns: of the contest that it is a median of; zero where there is none.
    """

    what: str
    ratio: str
    budget: str = ""
    met: bool | None = None
    context: str = ""
    turns: int = 0


def empty_run(bench: Bench) -> Iterator[Row]:
    """The fixed cost of a run."""
    cpu = bench.empty.cpu
    yield Row(
        "almost empty run (one event)",
        f"{cpu:.1f} CPU s",
        "≤ 15 CPU s (25 at first)",
        cpu <= 15,  # noqa: PLR2004 - the budget
        _absolute(credtrail=bench.empty),
        bench.empty.turns,
    )


def full_run(bench: Bench) -> Iterator[Row]:
    """All of a trail at once, beside DuckDB; then how it grows with the trail."""
    for rate in bench.rates:
        per_event, turns = {}, []
        for events in bench.events:
            trail = bench.trail(events, rate)
            found = _full(bench, events, rate)
            net, duck = bench.net(found["credtrail"]), found["duckdb"]
            per_event[trail.events] = net.wall / trail.events
            turns.append(net.turns)
            yield Row(
                f"full run, {_short(events)} events, {rate:g} an instance-hour",
                _ratio(net, duck),
                "CPU ≤ 2.5 × DuckDB's, net of the empty run",
                net.cpu <= 2.5 * duck.cpu,
                f"{_an_event(found['credtrail'], trail.events)}; {_absolute(**found)}",
                net.turns,
            )
        if len(per_event) > 1:
            least, most = min(per_event), max(per_event)
            growth = per_event[most] / per_event[least]
            yield Row(
                f"growth at {rate:g} an instance-hour: time an event, {_short(most)} : "
                f"{_short(least)}",
                f"{growth:.2f} ×",
                "≤ 1.15 ×",
                growth <= 1.15,  # noqa: PLR2004 - the budget
                "wall clock, net of the empty run",
                min(turns),
            )


@cache
def _full(bench: Bench, events: int, rate: float) -> dict[str, Costs]:
    trail = bench.trail(events, rate)

    def check(rooms: dict[str, Path]) -> None:
        counts = same.compare(rooms["credtrail"] / "wh", rooms["duckdb"] / "rows")
        print("  equal: " + ", ".join(f"{n:,} {what}" for what, n in counts.items()), flush=True)
        _expect_thefts(rooms["credtrail"] / "wh", trail)

    return bench.contest(
        f"full run of {_short(events)} at {rate:g}",
        check,
        credtrail=lambda room: bench.detect(trail.parquet, room / "wh"),
        duckdb=lambda room: duck(bench, trail.parquet, room / "rows"),
    )


def duck(bench: Bench, source: Path, target: Path) -> Cost:
    """Run the peer."""
    places = ("--input", str(source), "--output", str(target))
    return bench.run("-m", "bench.duck", *places, "--threads", str(len(os.sched_getaffinity(0))))


def daily_runs(bench: Bench) -> Iterator[Row]:
    """A run a day for a week, beside the naive job, which begins anew each day."""
    events, rate = sorted(bench.events)[len(bench.events) // 2], bench.rates[0]
    days = bench.trail(events, rate).days

    def naive(room: Path) -> Cost:
        return _together(
            bench.run(
                "-m",
                "bench.naive_spark",
                "--input",
                *map(str, days[:count]),
                "--output",
                str(room / str(count)),
            )
            for count in range(1, len(days) + 1)
        )

    found = bench.contest(
        f"a week of daily runs, {_short(events)} at {rate:g}",
        credtrail=lambda room: _together(bench.detect(day, room / "wh") for day in days),
        naive=naive,
    )
    ours, theirs = found["credtrail"], found["naive"]
    start = bench.empty.cpu * len(days)
    net = Costs(tuple(Cost(c.wall, c.cpu - start, c.memory) for c in ours.runs))
    yield Row(
        f"naive Spark, anew each day : 7 daily runs, {_short(events)} events, {rate:g} an "
        "instance-hour",
        _ratio(theirs, net),
        "≥ 3 ×, ours net of the empty run",
        theirs.cpu >= 3 * net.cpu,
        f"end to end {theirs.cpu / ours.cpu:.2f} ×; {_absolute(**found)}",
        net.turns,
    )


def long_history(bench: Bench) -> Iterator[Row]:
    """A day on a month of history, beside the whole month at once and the day alone."""
    events, rate = sorted(bench.events)[len(bench.events) // 2], bench.rates[0]
    trail = bench.trail(events, rate, days=_HISTORY_DAYS)
    home = bench.cache / "work" / "history"
    kept = bench.cache / "work" / "history-kept"
    for folder in (home, kept):
        shutil.rmtree(folder, ignore_errors=True)
    before = trail.days[-_DAILY_RUNS - 1].name.removeprefix("day=")
    bench.detect(trail.parquet, home, "[inputs]\nlate_days = 0\n", "--to", before)
    shutil.copytree(home, kept)
    last: list[Cost] = []

    def daily(_: Path) -> Cost:
        shutil.rmtree(home)
        shutil.copytree(kept, home)
        runs = [bench.detect(day, home) for day in trail.days[-_DAILY_RUNS:]]
        last.append(runs[-1])
        return _together(runs)

    found = bench.contest(
        f"a day on {_HISTORY_DAYS} days, {_short(events)} at {rate:g}",
        daily=daily,
        month=lambda room: bench.detect(trail.parquet, room / "wh"),
        alone=lambda room: bench.detect(trail.days[-1], room / "wh"),
        duckdb=lambda room: duck(bench, trail.parquet, room / "rows"),
    )
    for folder in (home, kept):
        shutil.rmtree(folder, ignore_errors=True)
    day = Costs(tuple(last))
    net, month, alone = bench.net(day), bench.net(found["month"]), bench.net(found["alone"])
    of = f"a day on {_HISTORY_DAYS} days of history ({_short(events)} events)"
    context = _absolute(day=day, **{k: v for k, v in found.items() if k != "daily"})
    yield Row(
        f"{of} : all {_HISTORY_DAYS} days at once",
        f"1/{month.cpu / net.cpu:.1f}",
        "≤ 1/8, net of the empty run",
        net.cpu <= month.cpu / 8,
        context,
        net.turns,
    )
    yield Row(
        f"{of} : that day alone",
        f"{net.cpu / alone.cpu:.2f} ×",
        "≤ 1.3 ×, net of the empty run",
        net.cpu <= 1.3 * alone.cpu,
        turns=net.turns,
    )
    yield Row(
        f"{of}, end to end : DuckDB over all {_HISTORY_DAYS} days",
        _ratio(day, found["duckdb"]),
        "below it by as much as start-up allows",
        turns=day.turns,
    )


def nothing_new(bench: Bench) -> Iterator[Row]:
    """A run that finds no new file."""
    trail = bench.trail(min(bench.events), bench.rates[0])
    touched: set[str] = set()

    def again(room: Path) -> Cost:
        bench.detect(trail.parquet, room / "wh")
        before = _heads(room / "wh")
        cost = bench.detect(trail.parquet, room / "wh")
        touched.update(n for n, head in _heads(room / "wh").items() if head != before[n])
        return cost

    found = bench.contest("nothing new", credtrail=again)["credtrail"]
    yield Row(
        "re-run with nothing new",
        f"{found.cpu / bench.empty.cpu:.2f} × the empty run; new snapshots of "
        f"{', '.join(sorted(touched)) or 'no table'}",
        "listing and start-up; no snapshot but of runs and writer",
        touched <= tables.OF_EVERY_RUN,
        _absolute(credtrail=found),
        found.turns,
    )


def answers(bench: Bench) -> Iterator[Row]:
    """What needs no Spark."""
    for what, options, code in (
        ("credtrail --help", ("--help",), 0),
        ("a wrong option", ("detect", "--wrong"), _WRONG_USAGE),
    ):
        answer = partial(bench.run, "-m", "jobs.cli", *options, may_exit=(code,))
        found = bench.contest(what, credtrail=_anywhere(answer))["credtrail"]
        is_met = found.cpu <= 0.5  # noqa: PLR2004 - the budget
        yield Row(what, f"{found.cpu:.2f} CPU s", "≤ 0.5 CPU s", is_met, turns=found.turns)


def bytes_read(bench: Bench) -> Iterator[Row]:
    """What a full run reads of Parquet files, as Spark counts it."""
    trail = bench.trail(min(bench.events), bench.rates[0])
    logs = bench.cache / "work" / "events"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    settings = (
        f'[spark]\n"spark.eventLog.enabled" = "true"\n"spark.eventLog.dir" = "file://{logs}"\n'
        '"spark.eventLog.compress" = "false"\n"spark.eventLog.rolling.enabled" = "false"\n'
        '"spark.hadoop.parquet.hadoop.vectored.io.enabled" = "false"\n'  # it reads uncounted
    )
    room = bench.cache / "work" / "bytes"
    shutil.rmtree(room, ignore_errors=True)
    bench.detect(trail.parquet, room, settings)
    work, needed = scanned.by_spark(logs), scanned.column_chunks(trail.parquet)
    tables_made = tables.sizes(room)
    written = sum(1 for path in room.rglob("*") if path.is_file() and path.suffix != ".crc")
    for folder in (room, logs):
        shutil.rmtree(folder, ignore_errors=True)
    each = {
        "shuffled": work.shuffled,
        "spilled": work.spilled,
        "of tables": sum(table["bytes"] for table in tables_made.values()),
    }
    yield Row(
        "bytes read of Parquet by the summary : column chunks of the fields that count",
        f"{work.summary / needed:.2f} ×",
        "≤ 1.1 ×",
        work.summary <= 1.1 * needed,
        f"{needed / trail.events:.0f} of {trail.bytes / trail.events:.0f} bytes an event in "
        f"{work.tasks:,} tasks; evidence read {work.rest / needed:.2f} × on top; bytes an event: "
        + ", ".join(f"{count / trail.events:.1f} {what}" for what, count in each.items())
        + f"; {written:,} files written",
        turns=1,
    )


def skews(bench: Bench) -> Iterator[Row]:
    """Trails in which something stands out, beside one in which nothing does."""
    events, rate = min(bench.events), bench.rates[-1]
    trails = {skew or "even": bench.trail(events, rate, skew=skew) for skew in ("", *_SKEWED)}
    players = {
        name: lambda room, t=trail: bench.detect(t.parquet, room / "wh")
        for name, trail in trails.items()
    }
    found = bench.contest(f"skew, {_short(events)} at {rate:g}", **players)
    even = bench.net(found["even"])
    for skew, words in _SKEWED.items():
        net = bench.net(found[skew])
        ratio = net.wall / even.wall
        yield Row(
            f"{words} : even ({_short(events)} events)",
            f"{ratio:.2f} ×",
            "≤ 1.3 ×",
            ratio <= 1.3,  # noqa: PLR2004 - the budget
            f"wall clock, net of the empty run; {_absolute(**{skew: found[skew]})}",
            net.turns,
        )


_SKEWED = {
    "session": "one session with half of all events",
    "account": "one account with 90 %",
    "hour": "one hour with half",
}


def cores(bench: Bench) -> Iterator[Row]:
    """One core beside two: what it takes, and whether the tables are the same."""
    events, rate = bench.of_work, bench.rates[0]
    trail = bench.trail(events, rate)

    def on(count: int) -> Callable[[Path], Cost]:
        settings = f'[spark]\n"spark.master" = "local[{count}]"\n'
        return lambda room: bench.detect(trail.parquet, room / "wh", settings)

    differs: list[str] = []
    found = bench.contest(
        f"cores, {_short(events)} at {rate:g}",
        lambda rooms: differs.append(tables.same(rooms["one"] / "wh", rooms["two"] / "wh")),
        one=on(1),
        two=on(2),
    )
    ratio = bench.net(found["one"]).wall / bench.net(found["two"]).wall
    yield Row(
        f"one core : two ({_short(events)} events)",
        f"{ratio:.2f} ×; {_equal(differs)}",
        "the same tables",
        not any(differs),
        f"wall clock, net of the empty run; {_absolute(**found)}",
        found["one"].turns,
    )


def on_cluster(bench: Bench) -> Iterator[Row]:
    """A cluster of a master and two workers on this machine, beside one process."""
    events, rate = bench.of_work, bench.rates[0]
    trail = bench.trail(events, rate)
    differs: list[str] = []

    def clustered(source: Path, room: Path) -> Cost:
        places = ("--input", str(source), "--warehouse", str(room / "wh"))
        return bench.run("-m", "bench.cluster", "detect", "--format", "json", *places)

    found = bench.contest(
        f"cluster, {_short(events)} at {rate:g}",
        lambda rooms: differs.append(tables.same(rooms["alone"] / "wh", rooms["cluster"] / "wh")),
        alone=lambda room: bench.detect(
            trail.parquet, room / "wh", '[spark]\n"spark.master" = "local[2]"\n'
        ),
        cluster=partial(clustered, trail.parquet),
        cluster_empty=partial(clustered, sets.one_event(bench.cache)),
    )
    alone, cluster = found["alone"], found["cluster"]
    more = (cluster.cpu - found["cluster_empty"].cpu) / bench.net(alone).cpu
    yield Row(
        f"a cluster with two workers of one core : local[2] ({_short(events)} events)",
        f"{_equal(differs)}; wall clock {cluster.wall / alone.wall:.2f} ×, "
        f"CPU {cluster.cpu / alone.cpu:.2f} ×, net of empty runs {more:.2f} ×",
        "the same tables",
        not any(differs),
        f"{_absolute(**found)}; with master and workers started and stopped",
        alone.turns,
    )


def json_files(bench: Bench) -> Iterator[Row]:
    """Trail files of JSON, beside the loop of 2018; then what evidence opens of so many files."""
    volume = Volume(events=min(bench.events), rate=bench.rates[0])
    trail = sets.trail(bench.cache, volume, with_json=True)
    opened: list[Opened] = []
    found = bench.contest(
        f"JSON, {_short(volume.events)} at {volume.rate:g}",
        lambda rooms: opened.append(of_evidence(rooms["credtrail"] / "wh")),
        credtrail=lambda room: bench.detect(trail.json, room / "wh"),
        loop=lambda room: bench.run(
            "-m",
            "bench.published_loop",
            "--input",
            str(trail.json),
            "--output",
            str(room / "alerts"),
        ),
    )
    ours, loop = bench.net(found["credtrail"]), found["loop"]
    files = sum(1 for _ in trail.json.rglob("*.json.gz"))
    yield Row(
        f"gzip JSON, {_short(volume.events)} events in {files:,} files: records a CPU second, "
        "credtrail : the published loop",
        f"{loop.cpu / ours.cpu:.2f} ×",
        "≥ 3 ×, net of the empty run",
        loop.cpu >= 3 * ours.cpu,
        f"{files / ours.wall:,.0f} files a second, wall clock; the loop: "
        f"{trail.events / loop.cpu:,.0f} records a CPU second; {_absolute(**found)}",
        ours.turns,
    )
    evidence = opened[0]
    yield Row(
        "files opened for evidence : files that hold calls of findings",
        f"{evidence.opened / evidence.holding:.2f} ×",
        context=f"{evidence.opened:,} of {files:,} files were opened again, for {evidence.calls:,} "
        f"calls in {evidence.holding:,}",
        turns=1,
    )


def hourly_runs(bench: Bench) -> Iterator[Row]:
    """Judging of an hourly run on a year of history, beside that on a month."""
    instances, days = bench.instances, sorted(bench.history)
    found = hourly.contest(bench, instances, tuple(days))
    least, most = days[0], days[-1]
    short, long = hourly.of_judging(found[least]), hourly.of_judging(found[most])
    rows = hourly.remembered(bench, instances, most).told
    yield Row(
        f"judging of an hourly run, {instances:,} instances, {most} days of history : {least} days",
        _ratio(long, short),
        "≤ 1.5 ×",
        long.cpu <= 1.5 * short.cpu,
        f"wall clock {long.wall / short.wall:.2f} ×; "
        + _absolute(**{f"{n} days": hourly.of_judging(costs) for n, costs in found.items()})
        + "; whole runs: "
        + _absolute(**{f"{n} days": costs for n, costs in found.items()})
        + f"; {rows['sightings']['rows']:,} sightings, {rows['stays']['rows']:,} stays, "
        f"{rows['credentials']['rows']:,} keys",
        long.turns,
    )


def not_here(_: Bench) -> Iterator[Row]:
    """Budgets that nothing here measures yet."""
    yield Row("quality gate : the run", "not measured", "≤ 10 %")


ROWS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "empty": empty_run,
    "full": full_run,
    "daily": daily_runs,
    "history": long_history,
    "hourly": hourly_runs,
    "again": nothing_new,
    "help": answers,
    "bytes": bytes_read,
    "skew": skews,
    "cores": cores,
    "cluster": on_cluster,
    "json": json_files,
    "rest": not_here,
}
"""By the name that ``--only`` knows."""


def _anywhere(play: Callable[[], Cost]) -> Play:
    """Return a contestant that writes nothing."""
    return lambda _: play()


def _together(costs: Iterator[Cost] | list[Cost]) -> Cost:
    every = list(costs)
    return Cost(sum(c.wall for c in every), sum(c.cpu for c in every), max(c.memory for c in every))


def _ratio(one: Costs, other: Costs) -> str:
    """Return the ratio of medians, and the least and most of single turns."""
    turns = [a.cpu / b.cpu for a, b in zip(one.runs, other.runs, strict=True)]
    spread = f" ({min(turns):.2f} to {max(turns):.2f})" if len(turns) > 1 else ""
    return f"{one.cpu / other.cpu:.2f} ×{spread}"


def _absolute(**found: Costs) -> str:
    return "; ".join(
        f"{name}: {costs.cpu:.1f} CPU s, {costs.wall:.1f} s, {costs.memory / 1e9:.2f} GB"
        for name, costs in found.items()
    )


def _equal(differs: list[str]) -> str:
    told = [words for words in differs if words]
    return f"tables differ: {told[0][:200]}" if told else "all tables equal"


def _an_event(costs: Costs, events: int) -> str:
    """Return what stages take an event: those that read, and those that judge."""
    parts = {"to read and summarise": ("read and summarise",), "to judge": hourly.JUDGING}
    cpu = {
        what: statistics.median(cost.of(*stages).cpu for cost in costs.runs) / events * 1e6
        for what, stages in parts.items()
    }
    return "CPU µs an event: " + ", ".join(f"{took:.1f} {what}" for what, took in cpu.items())


def _short(events: int) -> str:
    return f"{events / 1e6:.3g} M"


def _heads(warehouse: Path) -> dict[str, object]:
    """Return the present snapshot of each table."""
    with same.catalog(warehouse) as opened:
        return {
            table.name: opened.load_table(("credtrail", table.name)).metadata.current_snapshot_id
            for table in schemas.TABLES
        }


def _expect_thefts(warehouse: Path, trail: Trail) -> None:
    """See that what was found is what was stolen, and nothing else."""
    wanted = {(t["instance"], t["source"]) for t in trail.thefts}
    with Warehouse(str(warehouse)) as opened:
        rows = opened.scan("findings", ("session_name", "source"), "status = 'open'")
    found = {(row["session_name"], row["source"]) for row in rows}
    missed, false = len(wanted - found), len(found - wanted)
    print(f"  {len(wanted)} thefts: {missed} missed, {false} false alarms", flush=True)
    if missed or false:
        msg = f"missed {sorted(wanted - found)[:3]}, false alarms {sorted(found - wanted)[:3]}"
        raise same.DifferentError(msg)
