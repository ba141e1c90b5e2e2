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
use super::wire::{Aggregates, Availability, Details, Job, Listing, NotificationChannel, UserDetails};

#[derive(Debug, Clone)]
pub(super) struct Client {
    http: HttpClient,
    /// Without a sign-in, which is nobody's business but the API's.
    sockets: HttpClient,
    api: String,
}

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

    /// Every entry of a list.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        cx: &Context,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<T>> {
        let mut entries = Vec::new();
        for number in 1..=MOST_PAGES {
            let request = Request::get(self.at(path)).query("pageSize", 100).query("pageNumber", number);
            let request = query.iter().fold(request, |request, (name, value)| request.query(name, value));
            let page: Listing<T> = self.get(cx, &request).await?;
            let is_last = page.entities.is_empty() || page.page_count.is_some_and(|count| number >= count);
            entries.extend(page.entities);
            if is_last {
                break;
            }
        }
        Ok(entries)
    }

    /// Every entry of a list that has no pages.
    pub(super) async fn whole<T: DeserializeOwned>(
        &self,
        cx: &Context,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<T>> {
        let request = Request::get(self.at(path));
        let request = query.iter().fold(request, |request, (name, value)| request.query(name, value));
        Ok(self.get::<Listing<T>>(cx, &request).await?.entities)
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

    /// Until when jobs hold everything, if they say so.
    pub(super) async fn available(&self, cx: &Context) -> Result<Option<Timestamp>> {
        let request = Request::get(self.at("/api/v2/analytics/users/details/jobs/availability"));
        Ok(self.get::<Availability>(cx, &request).await?.data_availability_date)
    }

    /// The same by a job, for what lies back.
    pub(super) async fn details_by_job(&self, cx: &Context, window: Window) -> Result<Vec<UserDetails>> {
        let path = "/api/v2/analytics/users/details/jobs";
        let job: Job = self.post(cx, path, &json!({"interval": interval(window), "order": "asc"})).await?;
        let request = Request::get(self.at(&format!("{path}/{}", in_path(&job.job_id))));
        loop {
            let now: Job = self.get(cx, &request).await?;
            match now.state.as_str() {
                "FULFILLED" => break,
                "FAILED" | "CANCELLED" | "EXPIRED" => {
                    let message = format!("the job for agent statuses ended as {}: {}", now.state, now.error_message);
                    return Err(Error::new(ErrorKind::Unavailable, message));
                }
                _ => cx.sleep(cx.now().after(JOB_POLL)).await,
            }
        }
        let (mut details, mut cursor, mut seen) = (Vec::new(), None, HashSet::new());
        loop {
            let request =
                Request::get(self.at(&format!("{path}/{}/results", in_path(&job.job_id)))).query("pageSize", 1_000);
            let request = cursor.iter().fold(request, |request, cursor| request.query("cursor", cursor));
            let page: Details = self.get(cx, &request).await?;
            details.extend(page.user_details);
            match page.cursor.filter(|cursor| !cursor.is_empty()) {
                None => return Ok(details),
                Some(next) if !seen.insert(next.clone()) => {
                    return Err(Error::new(
                        ErrorKind::Protocol,
                        "the results of a job lead back to a page that was read",
                    ));
                }
                next => cursor = next,
            }
        }
    }

    /// A notification channel with those topics, and the connection to it.
    pub(super) async fn channel(&self, cx: &Context, topics: &[String]) -> Result<(String, Socket)> {
        let channel: NotificationChannel = self.post(cx, "/api/v2/notifications/channels", &json!({})).await?;
        self.subscribe(cx, &channel.id, topics).await?;
        // The address is a secret of its own and needs no sign-in.
        Ok((channel.id, self.sockets.socket(cx, &channel.connect_uri).await?))
    }

    /// Subscribes to exactly those topics, which also prolongs the channel's life.
    pub(super) async fn subscribe(&self, cx: &Context, channel: &str, topics: &[String]) -> Result<()> {
        let body: Vec<Value> = topics.iter().map(|topic| json!({"id": topic})).collect();
        let path = format!("/api/v2/notifications/channels/{}/subscriptions", in_path(channel));
        let request = Request::new("PUT", self.at(&path)).query("ignoreErrors", "true").json(&body)?;
        self.http.send(cx, &request, judged::<Value>).await.map(|_| ())
    }
}

fn interval(window: Window) -> String {
    let text = |at: Timestamp| at.to_utc().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    format!("{}/{}", text(window.from()), text(window.to()))
}

/// An id as part of a path: nothing in it can lead elsewhere.
fn in_path(id: &str) -> String {
    id.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')).collect()
}
