"""The vendor's own client `PureCloudPlatformClientV2` from PyPI against the stand-in, with only its address changed.

    genesys_cloud_client.py URL CLIENT_ID CLIENT_SECRET

What it reads, by queries and by jobs, adds up to what the stand-in's ledger says.
"""

import csv
import io
import json
import re
import sys
import time
import urllib.request
from collections import Counter
from datetime import datetime, timedelta, timezone

import PureCloudPlatformClientV2 as gc
import websocket
from PureCloudPlatformClientV2.rest import ApiException

CHANNELS = {"voice": "calls", "callback": "calls", "chat": "chats", "message": "chats", "email": "emails"}


def iso(at):
    return at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def ledger(url, table, start, end):
    with urllib.request.urlopen(f"{url}/_ledger/{table}?from={iso(start)}&to={iso(end)}") as answer:
        return list(csv.DictReader(io.TextIOWrapper(answer, "utf-8")))


def pages(ask):
    """Everything of a listing."""
    number, entities = 1, []
    while True:
        page = ask(number)
        entities += page.entities
        if number >= page.page_count:
            return entities
        number += 1


def done(ask):
    """Waits for a job."""
    for _ in range(50):
        state = ask().state
        if state == "FULFILLED":
            return
        assert state in ("QUEUED", "PENDING"), state
        time.sleep(0.1)
    raise SystemExit("a job that has no end")


def results(ask):
    """All pages of a job's results."""
    cursor = None
    while True:
        page = ask(cursor=cursor) if cursor else ask()
        yield page
        cursor = page.cursor
        if not cursor:
            return


def aggregates(analytics, start, end):
    """Offered, handled and handle time by queue, channel and quarter of an hour."""
    body = gc.ConversationAggregationQuery()
    body.interval = f"{iso(start)}/{iso(end)}"
    body.granularity = "PT15M"
    body.group_by = ["queueId", "mediaType"]
    exists, inbound = gc.ConversationAggregateQueryPredicate(), gc.ConversationAggregateQueryPredicate()
    exists.dimension, exists.operator = "queueId", "exists"
    inbound.dimension, inbound.value = "originatingDirection", "inbound"
    body.filter = gc.ConversationAggregateQueryFilter()
    body.filter.type, body.filter.predicates = "and", [exists, inbound]
    body.metrics = ["nOffered", "tAnswered", "tHandle", "tAbandon", "oServiceLevel", "nOverSla"]
    table = {}
    for result in analytics.post_analytics_conversations_aggregates_query(body).results or []:
        for bucket in result.data:
            stats = {metric.metric: metric.stats for metric in bucket.metrics}
            place = (result.group["queueId"], CHANNELS[result.group["mediaType"]], bucket.interval.split("/")[0])
            sum = table.setdefault(place, Counter())
            count = lambda name: stats[name].count if name in stats else 0
            sum.update(offered=count("nOffered"), handled=count("tAnswered"), time=int(stats["tHandle"].sum) if "tHandle" in stats else 0)
    return {place: (sum["offered"], sum["handled"], sum["time"]) for place, sum in table.items() if any(sum.values())}


def of_conversations(conversations, start, end):
    """The same, event by event."""
    table = {}
    for conversation in {conversation.conversation_id: conversation for conversation in conversations}.values():
        if conversation.originating_direction != "inbound":
            continue
        for session in [session for participant in conversation.participants for session in participant.sessions or []]:
            queue = next((segment.queue_id for segment in session.segments or [] if segment.queue_id), None)
            for metric in session.metrics or []:
                if queue is None or not start <= metric.emit_date < end:
                    continue
                at = metric.emit_date
                quarter = at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)
                sum = table.setdefault((queue, CHANNELS[session.media_type], iso(quarter)), Counter())
                if metric.name == "nOffered":
                    sum["offered"] += int(metric.value)
                elif metric.name == "tAnswered":
                    sum["handled"] += 1
                elif metric.name == "tHandle":
                    sum["time"] += int(metric.value)
    return {place: (sum["offered"], sum["handled"], sum["time"]) for place, sum in table.items() if any(sum.values())}


def presences(details, names, labels, start, end):
    """How many milliseconds each user had which presence."""
    spans = {}
    for user in details:
        for span in user.primary_presence or []:
            held = spans.setdefault((user.user_id, span.start_time), span)
            if span.end_time:
                held.end_time = span.end_time
    sums = Counter()
    for (user, begin), span in spans.items():
        length = min(span.end_time or end, end) - max(begin, start)
        if length > timedelta(0):
            sums[names[user], labels[span.organization_presence_id]] += length // timedelta(milliseconds=1)
    return dict(sums)


def presences_of_ledger(url, start, end):
    """The same by the ledger, which tells apart what agents do while on queue."""
    sums = Counter()
    for row in ledger(url, "status-times", start, end):
        activity = re.sub(" - (Idle|Interacting|Not Responding|Communicating)$", "", row["activity"])
        sums[row["agent"], activity] += round(float(row["seconds"]) * 1000)
    return dict(sums)


def assert_same(what, found, truth):
    different = {place: (found.get(place), truth.get(place)) for place in found.keys() | truth.keys() if found.get(place) != truth.get(place)}
    assert truth and not different, (what, len(different), list(different.items())[:5])
    print(f"{what}: {len(truth)} as in the ledger")


def main(url, client_id, secret):
    gc.configuration.host = url
    api = gc.api_client.ApiClient()
    try:
        api.get_client_credentials_token(client_id, "wrong")
        raise SystemExit("a wrong secret was taken")
    except ApiException as error:
        assert error.status in (400, 401), error
    api = api.get_client_credentials_token(client_id, secret)
    analytics = gc.AnalyticsApi(api)

    # A day that ended an hour ago.
    now = datetime.now(timezone.utc)
    end = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    start = end - timedelta(days=1)
    interval = f"{iso(start)}/{iso(end)}"
    truth = {}
    for row in ledger(url, "contacts", start, end):
        sums = (int(row["offered"]), int(row["handled"]), round(float(row["handle_time"] or 0) * 1000))
        # Where somebody only gave up, there is nothing of what is compared here.
        if any(sums):
            truth[row["queue"], row["channel"], iso(datetime.fromisoformat(row["start"]))] = sums
    assert_same("aggregates", aggregates(analytics, start, end), truth)

    queues = pages(lambda number: gc.RoutingApi(api).get_routing_queues(page_size=2, page_number=number))
    assert {queue for queue, _, _ in truth} <= {queue.id for queue in queues}
    users_api = gc.UsersApi(api)
    users = pages(lambda number: users_api.get_users(page_size=5, page_number=number, state="any", expand=["presence", "routingStatus"]))
    names = {user.id: user.username for user in users}
    presence_api = gc.PresenceApi(api)
    labels = {}
    for deactivated in ("false", "true"):
        for definition in presence_api.get_presence_definitions(deactivated=deactivated, locale_code="ALL").entities:
            labels[definition.id] = definition.language_labels["en_US"]

    # Conversations: by the query, which takes those that started on a day that the interval touches, and by a job.
    body = gc.ConversationQuery()
    body.interval, body.order, body.order_by = f"{iso(start - timedelta(days=1))}/{iso(end)}", "asc", "conversationStart"
    body.paging = gc.PagingSpec()
    body.paging.page_size, body.paging.page_number = 100, 1
    found = []
    while conversations := analytics.post_analytics_conversations_details_query(body).conversations:
        found += conversations
        body.paging.page_number += 1
    assert body.paging.page_number > 2
    assert_same("conversations by a query", of_conversations(found, start, end), truth)
    available = analytics.get_analytics_conversations_details_jobs_availability().data_availability_date
    job = gc.AsyncConversationQuery()
    # A job holds what was on record when the lake was filled last, hours ago. What is corrected, the stand-in corrects within forty
    # hours, so that two days earlier both know the same.
    shift = timedelta(days=2)
    assert end - shift <= available <= now
    job.interval = f"{iso(start - shift)}/{iso(end - shift)}"
    id = analytics.post_analytics_conversations_details_jobs(job).job_id
    done(lambda: analytics.get_analytics_conversations_details_job(id))
    found = []
    for page in results(lambda **cursor: analytics.get_analytics_conversations_details_job_results(id, page_size=50, **cursor)):
        found += page.conversations or []
    before = aggregates(analytics, start - shift, end - shift)
    assert_same("conversations by a job", of_conversations(found, start - shift, end - shift), before)

    # Statuses, by both ways.
    truth = presences_of_ledger(url, start, end)
    body = gc.UserDetailsQuery()
    body.interval, body.order = interval, "asc"
    body.paging = gc.PagingSpec()
    body.paging.page_size, body.paging.page_number = 100, 1
    found = []
    while details := analytics.post_analytics_users_details_query(body).user_details:
        found += details
        body.paging.page_number += 1
    assert_same("presences by a query", presences(found, names, labels, start, end), truth)
    truth = presences_of_ledger(url, start - shift, end - shift)
    job = gc.AsyncUserDetailsQuery()
    job.interval, job.order = f"{iso(start - shift)}/{iso(end - shift)}", "asc"
    id = analytics.post_analytics_users_details_jobs(job).job_id
    done(lambda: analytics.get_analytics_users_details_job(id))
    found = []
    for page in results(lambda **cursor: analytics.get_analytics_users_details_job_results(id, page_size=50, **cursor)):
        found += page.user_details or []
    assert_same("presences by a job", presences(found, names, labels, start - shift, end - shift), truth)

    # The present.
    active = [user for user in users if user.state == "active"]
    some = [user.id for user in active][:50]
    bulk = presence_api.get_users_presences_purecloud_bulk(id=some)
    assert {presence.user_id for presence in bulk} == set(some)
    status = users_api.get_user_routingstatus(some[0])
    assert status.user_id == some[0] and status.status, status
    notifications = gc.NotificationsApi(api)
    channel = notifications.post_notifications_channels()
    topics = []
    for user in some:
        topic = gc.ChannelTopic()
        topic.id = f"v2.users.{user}.activity"
        topics.append(topic)
    subscribed = notifications.put_notifications_channel_subscriptions(channel.id, topics)
    assert len(subscribed.entities) == len(some)
    socket = websocket.create_connection(channel.connect_uri, timeout=10)
    socket.send(json.dumps({"message": "ping"}))
    while True:
        message = json.loads(socket.recv())
        if message["topicName"] == "channel.metadata" and message["eventBody"]["message"] == "pong":
            break
    socket.close()
    print(f"{len(some)} topics on a channel that answers")


if __name__ == "__main__":
    main(*sys.argv[1:])
