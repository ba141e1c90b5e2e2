"""Offsets of a named time zone as a short table, found with the standard zoneinfo."""

import datetime as dt
from zoneinfo import ZoneInfo

UTC = dt.timezone.utc


def offsets(zone, first_year, last_year, wall=True):
    """Two lists, `since` and `offset`, in seconds: from since[i] on, offset[i] holds.

    With wall=True `since` is in wall-clock seconds and the table answers local -> UTC
    by the benchmark's rule: the old offset holds to the end of a gap (so a missing time
    moves forward by the gap) and to the end of a fold (so the first occurrence wins).
    With wall=False `since` is in UTC seconds and the table answers UTC -> local.
    """
    tz = ZoneInfo(zone)

    def offset_at(t):
        return int(dt.datetime.fromtimestamp(t, UTC).astimezone(tz).utcoffset().total_seconds())

    lo = int(dt.datetime(first_year, 1, 1, tzinfo=UTC).timestamp())
    hi = int(dt.datetime(last_year + 1, 1, 1, tzinfo=UTC).timestamp())
    since, offset = [-(2**62)], [offset_at(lo)]
    for t in range(lo, hi, 86_400):  # no zone changes twice in a day
        new = offset_at(t)
        if new != offset[-1]:
            low, high = t - 86_400, t  # the change lies in (low, high]
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if offset_at(middle) == new else (middle, high)
            since.append(high + max(new, offset[-1]) if wall else high)
            offset.append(new)
    return since, offset
