"""The public client `five9` from PyPI against the stand-in, with only its address changed.

    five9_client.py URL USER PASSWORD

The client reads the description of the service that the stand-in serves. A report is run, waited for and fetched in both forms; its
rows, added up here, are what the stand-in's ledger says. Then the statistics: a session, everyone, the changes.
"""

import csv
import io
import sys
import urllib.request
from collections import Counter
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import requests
import zeep.exceptions
from five9 import Five9

PACIFIC = ZoneInfo("America/Los_Angeles")
NOT_OFFERED = {"Outbound", "Manual", "Autodial", "Internal", "Preview"}


def ledger(url, table, start, end, now):
    text = lambda at: at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    address = f"{url}/_ledger/{table}?from={text(start)}&to={text(end)}&now={text(now)}"
    with urllib.request.urlopen(address) as answer:
        return list(csv.DictReader(io.TextIOWrapper(answer, "utf-8")))


def seconds(text):
    hours, minutes, rest = (text or "0:0:0").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(rest)


def sums(rows, start, end):
    """Offered, handled and handle time by campaign and quarter of an hour: rows of one call in one campaign are one contact."""
    contacts, last = [], {}
    rows = [(datetime.strptime(row["TIMESTAMP"], "%a, %d %b %Y %H:%M:%S").replace(tzinfo=PACIFIC), row) for row in rows]
    for at, row in sorted(rows, key=lambda pair: pair[0]):
        queue = row["CAMPAIGN"]
        if queue in ("", "[None]"):
            continue
        contact = last.get(row["CALL ID"])
        if not contact or contact["queue"] != queue:
            if row["CALL TYPE"] in NOT_OFFERED:
                continue
            contact = {"queue": queue, "start": at + timedelta(seconds=seconds(row["IVR TIME"])), "handled": 0, "time": 0}
            contacts.append(contact)
            last[row["CALL ID"]] = contact
        if row["AGENT"] != "[None]" and seconds(row["TALK TIME"]) > 0:
            contact["handled"] = 1
            contact["time"] += sum(seconds(row[name]) for name in ("TALK TIME", "HOLD TIME", "AFTER CALL WORK TIME"))
    table = {}
    for contact in contacts:
        if start <= contact["start"] < end:
            quarter = int(contact["start"].timestamp()) // 900 * 900
            place = table.setdefault((contact["queue"], quarter), Counter())
            place.update(offered=1, handled=contact["handled"], time=contact["time"])
    return {place: (sum["offered"], sum["handled"], sum["time"]) for place, sum in table.items()}


def run(client, folder, name, start, end):
    service = client.configuration
    identifier = service.runReport(folder, name, {"time": {"end": end, "start": start}})
    polls = 1
    while service.isReportRunning(identifier, 5):
        polls += 1
    result = service.getReportResult(identifier)
    rows = client.parse_response(result["header"]["values"]["data"], result["records"])
    text = service.getReportResultCsv(identifier)
    return rows, list(csv.DictReader(io.StringIO(text))), polls


def main(url, user, password):
    for name in ("WSDL_CONFIGURATION", "WSDL_SUPERVISOR"):
        setattr(Five9, name, getattr(Five9, name).replace("https://api.five9.com", url))
    client = Five9(user, password)

    # A day that is over, with four hours around it in which rows of its calls lie; none in which the clock is changed.
    now = datetime.now(timezone.utc)
    around, day = timedelta(hours=4), timedelta(days=1)
    end = now.replace(minute=0, second=0, microsecond=0) - around
    offset = lambda at: at.astimezone(PACIFIC).utcoffset()
    while offset(end - day - around) != offset(end + around):
        end -= day
    start = end - day
    rows, from_csv, polls = run(client, "Call Log Reports", "Call Log", start - around, end + around)
    blank = lambda row: {name: value or "" for name, value in row.items()}
    assert [blank(row) for row in rows] == from_csv, "the two forms of a result differ"
    assert len(rows) > 30 and polls > 1, (len(rows), polls)
    truth = {
        (row["queue"], int(datetime.fromisoformat(row["start"]).timestamp())): (int(row["offered"]), int(row["handled"]), float(row["handle_time"]))
        for row in ledger(url, "contacts", start, end, now)
    }
    found = sums(from_csv, start, end)
    assert found == truth, {place: (found.get(place), truth.get(place)) for place in found.keys() ^ truth.keys()} or "sums differ"
    print(f"{len(rows)} rows, {len(found)} intervals as in the ledger")

    states, _, _ = run(client, "Agent Reports", "Agent State Details", start, end)
    assert {"Login", "Ready", "On Call", "After Call Work"} <= {row["STATE"] for row in states}
    names = {skill["name"] for skill in client.configuration.getSkills(".*")}
    campaigns = {campaign["name"] for campaign in client.configuration.getCampaigns(".*", "INBOUND")}
    users = {user["userName"] for user in client.configuration.getUsersGeneralInfo(".*")}
    assert names and {queue for queue, _ in found} <= campaigns, (names, campaigns)
    assert {row["AGENT"] for row in states} - {"[Deleted]"} <= users, "a state of a user whom nobody knows"
    used = {state["operationType"]: state["value"] for state in client.configuration.getCallCountersState()[2]["callCounterStates"]}
    assert (used["ReportRequest"], used["RetrieveReport"]) == (2, 4), used

    try:
        client.configuration.runReport("Call Log Reports", "Nothing", {"time": {"end": end, "start": start}})
        raise SystemExit("a report that is not there was run")
    except zeep.exceptions.Fault as fault:
        assert fault.detail[0].tag.endswith("}ReportNotFoundFault"), fault.detail
    try:
        Five9(user, "wrong").configuration
        raise SystemExit("a wrong password was taken")
    except requests.HTTPError as error:
        assert error.response.status_code == 401

    statistics = client.supervisor
    columns = ["Username", "State", "Reason Code", "State Since"]
    everyone = statistics.getStatistics("AgentState", {"values": {"data": columns}})
    cells = [dict(zip(everyone["columns"]["values"]["data"], row["values"]["data"])) for row in everyone["rows"]]
    now = datetime.fromtimestamp(everyone["timestamp"] / 1000, timezone.utc)
    open_now = {row["agent"]: row["activity"] for row in ledger(url, "statuses", now - timedelta(days=3), now, now) if not row["end"]}
    told = {cell["Username"]: ": ".join(filter(None, [cell["State"], cell["Reason Code"]])) for cell in cells}
    assert told and {agent: told.get(agent) for agent in open_now if agent in told and told[agent] != "Logged Out"} == {
        agent: activity for agent, activity in open_now.items() if agent in told and told[agent] != "Logged Out"
    }, (told, open_now)
    update = statistics.getStatisticsUpdate("AgentState", everyone["timestamp"], 5000)
    assert update is None or update["previousTimestamp"] == everyone["timestamp"]
    print(f"{len(cells)} agents in the statistics")


if __name__ == "__main__":
    main(*sys.argv[1:])
