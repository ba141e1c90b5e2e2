#!/usr/bin/env python3
"""Prints what Python's zoneinfo says about the clock changes of every zone, 2000 to 2037.

A second opinion for the zone module of injixo-core, from another implementation and another copy of the same tz data:
transitions are found by asking for offsets alone, intervals by walking through the minutes. Run with:

    python3 -m venv target/zone-venv
    target/zone-venv/bin/pip install tzdata==2026.6
    PYTHONTZPATH= target/zone-venv/bin/python scripts/zone_oracle.py > target/zone-reference.txt
    INJIXO_ZONE_REFERENCE=$PWD/target/zone-reference.txt cargo test -p injixo-core --test zones -- --ignored

The output is the same on every run. Lines of words separated by blanks:

    tzdata VERSION
    readings ID CODE*COUNT ...
        the readings of a row of local times, equal neighbours put together. The row goes from two hours before to two
        hours after the local times around the transition, every 15 minutes, each with the second before and after.
        B both readings by the offset before the transition, A both by the one after, F a fold: the first by the one
        before, the second by the one after, G a gap: likewise, and neither shows that local time.
    counts ID LENGTH START+COUNT*TIMES ...
        how many local times, one a minute over the same stretch, each in its earlier reading or moved forward, fall into
        the intervals of LENGTH minutes. START is minutes from the transition to the start of the interval; TIMES such
        intervals follow each other, one LENGTH apart.
    zones NAME ...
        zones with the same transitions, which follow; first the offset in seconds at the beginning.
    offset SECONDS
    at UTC BEFORE AFTER READINGS COUNTS15 COUNTS30 COUNTS60 DAY+MINUTES ...
        one transition: seconds since 1970, offsets in seconds, IDs, and for the days around it the days since 1970 and the
        minutes from the transition to their first instant.
"""

import sys
import zoneinfo
from bisect import bisect_right
from datetime import datetime, timedelta, timezone
from importlib import metadata

EPOCH = datetime(1970, 1, 1)
FIRST = int((datetime(2000, 1, 1) - EPOCH).total_seconds())
LAST = int((datetime(2038, 1, 1) - EPOCH).total_seconds())
LENGTHS = (15, 30, 60)
HOUR = 3600
# No zone changed its clock and back within so short a time in these years; had one, our own table would show more
# transitions than this reference, and the comparison would fail.
STEP = 5 * 24 * HOUR


def utc_offset(zone, utc):
    """The offset at an instant."""
    return int(datetime.fromtimestamp(utc, zone).utcoffset().total_seconds())


def transitions(zone):
    """Every (instant, offset before, offset after), by halving the stretches at whose ends the offsets differ."""
    found = []
    for start in range(FIRST, LAST, STEP):
        end = min(start + STEP, LAST)
        before, after = utc_offset(zone, start), utc_offset(zone, end)
        if before == after:
            continue
        low, high = start, end
        while high - low > 1:
            middle = (low + high) // 2
            if utc_offset(zone, middle) == before:
                low = middle
            else:
                high = middle
        found.append((high, before, utc_offset(zone, high)))
        assert found[-1][2] == after, (zone.key, "two changes within a step", high)
    return found


def local_stretch(change):
    """The first and the last local time, in seconds as if in UTC, of the row around a transition."""
    at, before, after = change
    return at + min(before, after) - 2 * HOUR, at + max(before, after) + 2 * HOUR


def read(zone, local):
    """Both readings of a local time, and whether the clock ever shows it."""
    naive = EPOCH + timedelta(seconds=local)
    readings = []
    for fold in (0, 1):
        offset = naive.replace(tzinfo=zone, fold=fold).utcoffset()
        readings.append(local - int(offset.total_seconds()))
    back = datetime.fromtimestamp(readings[0], timezone.utc).astimezone(zone).replace(tzinfo=None, fold=0)
    return readings[0], readings[1], back == naive


def code(zone, local, change):
    _, before, after = change
    first, second, shown = read(zone, local)
    by = (local - first, local - second)
    codes = {(before, before): "B", (after, after): "A", (before, after): "F" if shown else "G"}
    assert by in codes and (shown or codes[by] == "G"), (zone.key, local, by)
    return codes[by]


def runs(items):
    """Equal neighbours put together: (item, times)."""
    together = []
    for item in items:
        if together and together[-1][0] == item:
            together[-1][1] += 1
        else:
            together.append([item, 1])
    return together


def readings_pattern(zone, change):
    first, last = local_stretch(change)
    codes = [code(zone, local + off, change) for local in range(first, last + 1, 900) for off in (-1, 0, 1)]
    return " ".join(f"{item}*{times}" for item, times in runs(codes))


def counts_patterns(zone, change):
    """Walks through the minutes around a transition, notes where intervals start, and drops local times into them."""
    at, before, after = change
    assert at % 60 == before % 60 == after % 60 == 0, (zone.key, at)
    first, last = local_stretch(change)
    instants = [read(zone, local)[0] for local in range(first, last + 1, 60)]
    low, high = min(instants) - 2 * HOUR, max(instants) + 2 * HOUR
    starts = {length: [] for length in LENGTHS}
    previous = None
    for minute in range(low, high + 1, 60):
        offset = utc_offset(zone, minute)
        wall = (minute + offset) // 60
        for length in LENGTHS:
            cut = previous is not None and (offset - previous) // 60 % length != 0
            if cut or wall % length == 0:
                starts[length].append(minute)
        previous = offset
    patterns = []
    for length in LENGTHS:
        counts = {}
        for instant in instants:
            start = starts[length][bisect_right(starts[length], instant) - 1]
            counts[start] = counts.get(start, 0) + 1
        words = []
        for start in sorted(counts):
            if words and words[-1][1] == counts[start] and words[-1][0] + words[-1][2] * length * 60 == start:
                words[-1][2] += 1
            else:
                words.append([start, counts[start], 1])
        patterns.append(" ".join(f"{(start - at) // 60}+{count}*{times}" for start, count, times in words))
    return patterns


def day_starts(zone, change):
    """The first instant at which the calendar has come to each of the days around a transition."""
    at, before, after = change
    words = []
    around = (at + min(before, after)) // 86400
    for day in range(around - 1, around + 4):
        # The clock shows a time or a later one first where it gets there by itself, or at the change that skips to it.
        candidates = sorted({day * 86400 - before, day * 86400 - after, at})
        start = next(c for c in candidates if c + utc_offset(zone, c) >= day * 86400)
        words.append(f"{day}+{(start - at) // 60}")
    return words


def main():
    assert zoneinfo.TZPATH == (), "set PYTHONTZPATH to nothing, so that the tzdata package is used and not the system's"
    print("tzdata", metadata.version("tzdata"))
    patterns = {}

    def pattern_id(kind, text):
        key = f"{kind} {text}"
        if key not in patterns:
            patterns[key] = len(patterns)
            word, _, rest = key.partition(" ")
            print(word, patterns[key], rest)
        return patterns[key]

    groups = {}
    for name in sorted(zoneinfo.available_timezones()):
        zone = zoneinfo.ZoneInfo(name)
        changes = tuple(transitions(zone))
        groups.setdefault((utc_offset(zone, FIRST), changes), []).append(name)
    for (offset, changes), names in sorted(groups.items(), key=lambda group: group[1]):
        zone = zoneinfo.ZoneInfo(names[0])
        lines = []
        for change in changes:
            ids = [pattern_id("readings", readings_pattern(zone, change))]
            for length, text in zip(LENGTHS, counts_patterns(zone, change)):
                ids.append(pattern_id("counts", f"{length} {text}"))
            lines.append(" ".join(map(str, ["at", *change, *ids, *day_starts(zone, change)])))
        print("zones", *names)
        print("offset", offset)
        for line in lines:
            print(line)


if __name__ == "__main__":
    sys.exit(main())
