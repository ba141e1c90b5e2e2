//! Talks to the platform API and nothing else.

use std::collections::HashSet;

use injixo_core::connector::{Budget, Context};
use injixo_core::http::{HttpClient, Request, SignIn, Socket};
use injixo_core::model::{Millis, Timestamp, Window};
use injixo_core::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::config::GenesysCloudConfig;
use super::error::judged;
use super::wire::{
    Aggregates, Availability, Conversations, Definition, Details, Job, Listing, NotificationChannel, RoutingNow,
    Subscription, UserDetails,
};

#[derive(Debug, Clone)]
pub(super) struct Client {
    http: HttpClient,
    /// Without a sign-in, which is nobody's business but the API's.
    sockets: HttpClient,
    api: String,
}

/// How many entries a page of a list holds.
const LIST_PAGE: usize = 100;

/// How many users a page of their details holds.
const DETAILS_PAGE: u32 = 100;

/// More pages than any answer has.
const MOST_PAGES: u32 = 100_000;

/// How long a job is waited for before the next look.
const JOB_POLL: Millis = Millis::from_secs(3);

impl Client {
    pub(super) fn new(config: &GenesysCloudConfig, http: HttpClient) -> Self {
        let token = format!("{}/oauth/token", config.login());
        let sign_in = SignIn::client_credentials(token, &config.client_id, &config.client_secret).by_header();
        let budget = Budget::new(["genesys-cloud requests", &config.login(), &config.client_id])
            .permits(config.requests_per_minute, Millis::from_secs(60));
        let sockets = http.budget(budget);
        Self { http: sockets.clone().sign_in(sign_in), sockets, api: config.api() }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.api)
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, cx: &Context, request: &Request) -> Result<T> {
        self.http.send(cx, request, judged).await
    }

    async fn post<T: DeserializeOwned>(&self, cx: &Context, path: &str, body: &Value) -> Result<T> {
        self.http.send(cx, &Request::post(self.at(path)).json(body)?, judged).await
    }

    /// Every entry of a list that has pages.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        cx: &Context,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<T>> {
        let mut entries = Vec::new();
        for number in 1..=MOST_PAGES {
            let request = Request::get(self.at(path)).query("pageSize", LIST_PAGE).query("pageNumber", number);
            let request = query.iter().fold(request, |request, (name, value)| request.query(name, value));
            let page: Listing<T> = self.get(cx, &request).await?;
            let is_short = page.entities.len() < LIST_PAGE;
            let is_last = page.entities.is_empty() || page.page_count.map_or(is_short, |count| number >= count);
            entries.extend(page.entities);
            if is_last {
                break;
            }
        }
        Ok(entries)
    }

    /// The definitions of presences: a list without pages.
    pub(super) async fn definitions(&self, cx: &Context, are_deactivated: bool) -> Result<Vec<Definition>> {
        let request = Request::get(self.at("/api/v2/presence/definitions"))
            .query("deactivated", are_deactivated)
            .query("localeCode", "ALL");
        Ok(self.get::<Listing<Definition>>(cx, &request).await?.entities)
    }

    /// The presences of users, by their ids.
    pub(super) async fn presences<T: DeserializeOwned>(&self, cx: &Context, ids: &[String]) -> Result<Vec<T>> {
        let mut presences = Vec::new();
        for some in ids.chunks(50) {
            let request = Request::get(self.at("/api/v2/users/presences/purecloud/bulk")).query("id", some.join(","));
            presences.extend(self.get::<Vec<T>>(cx, &request).await?);
        }
        Ok(presences)
    }

    /// The sums of queues by quarters of an hour.
    pub(super) async fn aggregates(&self, cx: &Context, window: Window) -> Result<Aggregates> {
        let body = json!({
            "interval": interval(window),
            "granularity": "PT15M",
            "groupBy": ["queueId", "mediaType"],
            "filter": {"type": "and", "predicates": [
                {"dimension": "queueId", "operator": "exists"},
                {"dimension": "originatingDirection", "value": "inbound"},
            ]},
            "metrics": ["nOffered", "tAnswered", "tAbandon", "tHandle", "nOverSla", "oServiceLevel"],
        });
        self.post(cx, "/api/v2/analytics/conversations/aggregates/query", &body).await
    }

    /// The details of all users whose presences touch the window, page by page until one is empty: pages may be short.
    pub(super) async fn details(&self, cx: &Context, window: Window) -> Result<Vec<UserDetails>> {
        let mut details = Vec::new();
        for number in 1..=MOST_PAGES {
            let body = json!({
                "interval": interval(window),
                "order": "asc",
                "paging": {"pageSize": DETAILS_PAGE, "pageNumber": number},
            });
            let page: Details = self.post(cx, "/api/v2/analytics/users/details/query", &body).await?;
            if page.user_details.is_empty() {
                break;
            }
            details.extend(page.user_details);
        }
        Ok(details)
    }

    /// Until when jobs about that hold everything, if they say so.
    pub(super) async fn available(&self, cx: &Context, about: About) -> Result<Option<Timestamp>> {
        let request = Request::get(self.at(&format!("{}/availability", about.path())));
        Ok(self.get::<Availability>(cx, &request).await?.data_availability_date)
    }

    /// What a job finds in the window, page by page.
    pub(super) async fn job<P: Page>(
        &self,
        cx: &Context,
        window: Window,
        mut take: impl FnMut(P) -> Result<()> + Send,
    ) -> Result<()> {
        let path = P::ABOUT.path();
        let body = match P::ABOUT {
            About::Conversations => json!({
                "interval": interval(window),
                "order": "asc",
                "orderBy": "conversationStart",
                "conversationFilters": [{"type": "and", "predicates": [
                    {"type": "dimension", "dimension": "originatingDirection", "operator": "matches", "value": "inbound"},
                ]}],
            }),
            About::Users => json!({"interval": interval(window), "order": "asc"}),
        };
        let job: Job = self.post(cx, path, &body).await?;
        let job = format!("{path}/{}", in_path(&job.job_id));
        let request = Request::get(self.at(&job));
        loop {
            let now: Job = self.get(cx, &request).await.map_err(gone)?;
            match now.state.as_str() {
                "FULFILLED" => break,
                "FAILED" | "CANCELLED" | "EXPIRED" => {
                    let message = format!("a job ended as {}: {}", now.state, now.error_message);
                    return Err(Error::new(ErrorKind::Unavailable, message));
                }
                _ => cx.sleep(cx.now().after(JOB_POLL)).await,
            }
        }
        let (mut cursor, mut seen) = (None::<String>, HashSet::new());
        loop {
            let request = Request::get(self.at(&format!("{job}/results"))).query("pageSize", P::SIZE);
            let request = cursor.iter().fold(request, |request, cursor| request.query("cursor", cursor));
            let mut page: P = self.get(cx, &request).await.map_err(gone)?;
            let next = page.cursor().filter(|cursor| !cursor.is_empty());
            take(page)?;
            match next {
                None => return Ok(()),
                Some(next) if !seen.insert(next.clone()) => {
                    let message = "the results of a job lead back to a page that was read";
                    return Err(Error::new(ErrorKind::Protocol, message));
                }
                next => cursor = next,
            }
        }
    }

    /// What a user does while on queue, if the system knows.
    pub(super) async fn routing_status(&self, cx: &Context, user: &str) -> Result<Option<RoutingNow>> {
        let request = Request::get(self.at(&format!("/api/v2/users/{}/routingstatus", in_path(user))));
        match self.get(cx, &request).await {
            // Deleted since the list was made.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            found => found.map(Some),
        }
    }

    /// Makes a notification channel.
    pub(super) async fn channel(&self, cx: &Context) -> Result<NotificationChannel> {
        self.post(cx, "/api/v2/notifications/channels", &json!({})).await
    }

    /// Subscribes a channel to exactly those topics, which also prolongs its life. Returns how many were refused.
    pub(super) async fn subscribe(&self, cx: &Context, channel: &str, topics: &[String]) -> Result<usize> {
        let body: Vec<Value> = topics.iter().map(|topic| json!({"id": topic})).collect();
        let path = format!("/api/v2/notifications/channels/{}/subscriptions", in_path(channel));
        // Else one topic that is refused would refuse all.
        let request = Request::new("PUT", self.at(&path)).query("ignoreErrors", "true").json(&body)?;
        let topics: Listing<Subscription> = self.http.send(cx, &request, judged).await?;
        Ok(topics.entities.iter().filter(|topic| topic.state.eq_ignore_ascii_case("rejected")).count())
    }

    /// Connects to a channel. Its address is a secret of its own and needs no sign-in.
    pub(super) async fn connect(&self, cx: &Context, channel: &NotificationChannel) -> Result<Socket> {
        self.sockets.socket(cx, &channel.connect_uri).await
    }
}

/// What a job is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    Conversations,
    Users,
}

impl About {
    fn path(self) -> &'static str {
        match self {
            Self::Conversations => "/api/v2/analytics/conversations/details/jobs",
            Self::Users => "/api/v2/analytics/users/details/jobs",
        }
    }
}

/// A page of the results of a job.
pub(super) trait Page: DeserializeOwned + Send {
    const ABOUT: About;
    /// How many entries a page may have, so that it is not too large to be held.
    const SIZE: u32;

    /// Takes out where the next page begins.
    fn cursor(&mut self) -> Option<String>;
}

impl Page for Details {
    const ABOUT: About = About::Users;
    const SIZE: u32 = 1_000;

    fn cursor(&mut self) -> Option<String> {
        self.cursor.take()
    }
}

impl Page for Conversations {
    const ABOUT: About = About::Conversations;
    const SIZE: u32 = 500;

    fn cursor(&mut self) -> Option<String> {
        self.cursor.take()
    }
}

/// A job that is not kept any more is worth another try.
fn gone(error: Error) -> Error {
    if error.kind() != ErrorKind::NotFound {
        return error;
    }
    Error::new(ErrorKind::Unavailable, "a job and its results are not kept any more").caused_by(error)
}

fn interval(window: Window) -> String {
    let text = |at: Timestamp| at.to_utc().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    format!("{}/{}", text(window.from()), text(window.to()))
}

/// An id as part of a path: nothing in it can lead elsewhere.
fn in_path(id: &str) -> String {
    id.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')).collect()
}
