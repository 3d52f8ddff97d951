//! A hub of one's own per test, and a small chat client.

pub mod client;
#[path = "../../support/push_service.rs"]
pub mod push_service;
pub mod raw;
pub mod recording;

use cubelet::config::hub::{HubConfig, Secret};
use cubelet::hub::{Clock, Ready, RunningHub, start_at};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

pub use client::{Chat, body_of};

/// A hub on free ports in a folder that goes with it, however the test ends.
pub struct Hub {
    // Dropped before the folder.
    pub running: RunningHub,
    pub clock: Clock,
    config: HubConfig,
    http: reqwest::Client,
    folder: TempDir,
}

/// Somebody with a session.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: u64,
    pub token: String,
}

/// The start of every manual clock.
pub const START: i64 = 1_795_352_816;

/// A configuration for a hub in a folder.
pub fn dev_config(folder: &TempDir) -> HubConfig {
    let data = folder.path().join("data");
    HubConfig::dev_in(data, Secret::new("key"), Secret::new("admin-key"))
}

impl Hub {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut HubConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = dev_config(&folder);
        change(&mut config);
        Self::start_on(config, Clock::manual(START), folder).await
    }

    /// With two people, as most tests of conversations need them.
    pub async fn with_two() -> (Self, Person, Person) {
        let hub = Self::start().await;
        let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
        (hub, ann, bob)
    }

    async fn start_on(config: HubConfig, clock: Clock, folder: TempDir) -> Self {
        let running = start_at(config.clone(), clock.clone()).await.unwrap();
        Self {
            running,
            clock,
            config,
            http: reqwest::Client::new(),
            folder,
        }
    }

    /// A second hub that finds what a power cut at this moment would leave of this one: its files
    /// as they are on disk, written back or not.
    pub async fn after_power_cut(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = self.config.clone();
        config.data_dir = folder.path().to_owned();
        // The log before the database: a checkpoint between the two would only repeat it.
        for file in ["hub.sqlite-wal", "hub.sqlite"] {
            std::fs::copy(self.config.data_dir.join(file), config.data_dir.join(file)).unwrap();
        }
        Self::start_on(config, self.clock.clone(), folder).await
    }

    /// Stops in order and starts again on the same folder.
    pub async fn restarted(self) -> Self {
        self.restarted_after(|| {}).await
    }

    /// The same, with something done to the folder in between.
    pub async fn restarted_after(self, work: impl FnOnce()) -> Self {
        self.running.stop().await;
        work();
        Self::start_on(self.config, self.clock, self.folder).await
    }

    /// The same, with another configuration.
    pub async fn restarted_with(mut self, change: impl FnOnce(&mut HubConfig)) -> Self {
        self.running.stop().await;
        change(&mut self.config);
        Self::start_on(self.config, self.clock, self.folder).await
    }

    /// A request with a form for a body, as the SDK's DELETE and curl send it.
    pub async fn form(
        &self,
        method: Method,
        path: &str,
        person: &Person,
        form: &str,
    ) -> (u16, Value) {
        let request = self
            .http
            .request(method, format!("{}{path}", self.ready().api))
            .header("CB-Token", &person.token)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(form.to_owned());
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }

    pub fn config(&self) -> &HubConfig {
        &self.config
    }

    pub fn ready(&self) -> &Ready {
        self.running.ready()
    }

    /// A request; the body comes back as JSON, or as a JSON string if it is none.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> (u16, Value) {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.ready().api));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        (status, body)
    }

    pub async fn get(&self, person: &Person, path: &str) -> (u16, Value) {
        self.call(Method::GET, path, &[("CB-Token", &person.token)], None)
            .await
    }

    pub async fn post(&self, person: &Person, path: &str, body: Value) -> (u16, Value) {
        self.call(
            Method::POST,
            path,
            &[("CB-Token", &person.token)],
            Some(body),
        )
        .await
    }

    pub async fn put(&self, person: &Person, path: &str, body: Value) -> (u16, Value) {
        self.call(
            Method::PUT,
            path,
            &[("CB-Token", &person.token)],
            Some(body),
        )
        .await
    }

    pub async fn delete(&self, person: &Person, path: &str) -> (u16, Value) {
        self.call(Method::DELETE, path, &[("CB-Token", &person.token)], None)
            .await
    }

    pub async fn create_session(&self, user: Value) -> (u16, Value) {
        let mut body = json!({"application_id": 1, "auth_key": "key"});
        if !user.is_null() {
            body["user"] = user;
        }
        self.call(Method::POST, "/session", &[], Some(body)).await
    }

    /// Signs up and logs in.
    pub async fn person(&self, login: &str) -> Person {
        let user =
            json!({"login": login, "password": "password", "full_name": login.to_uppercase()});
        let key = [("CB-AuthKey", "key")];
        let body = Some(json!({"user": user}));
        let (status, body) = self.call(Method::POST, "/users", &key, body).await;
        assert_eq!(status, 201, "{body}");
        self.log_in(login).await
    }

    pub async fn log_in(&self, login: &str) -> Person {
        let (status, body) = self
            .create_session(json!({"login": login, "password": "password"}))
            .await;
        assert_eq!(status, 201, "{body}");
        Person {
            id: body["session"]["user_id"].as_u64().unwrap(),
            token: body["session"]["token"].as_str().unwrap().to_owned(),
        }
    }

    pub fn jid(&self, person: &Person) -> String {
        format!("{}-1@127.0.0.1", person.id)
    }

    pub fn room(&self, dialog: &str) -> String {
        format!("1_{dialog}@muc.127.0.0.1")
    }

    /// A chat connection that has sent its presence.
    pub async fn chat(&self, person: &Person) -> Chat {
        let mut chat = self.bound(person).await;
        chat.come_online().await;
        chat
    }

    /// A chat connection that has logged in.
    pub async fn logged_in(&self, person: &Person) -> Chat {
        let mut chat = Chat::open_websocket(&self.ready().chat_url).await;
        chat.log_in(&format!("{}-1", person.id), &person.token)
            .await
            .unwrap();
        chat
    }

    /// A chat connection with stream management that has sent its presence, and the name under
    /// which it can be resumed. It has been sent three counted stanzas: two results and its
    /// presence.
    pub async fn resumable(&self, person: &Person) -> (Chat, String) {
        let mut chat = self.bound(person).await;
        let session = chat.enable(true).await.unwrap();
        chat.come_online().await;
        (chat, session)
    }

    /// A chat connection that is bound and silent.
    pub async fn bound(&self, person: &Person) -> Chat {
        let mut chat = Chat::open_websocket(&self.ready().chat_url).await;
        chat.log_in(&format!("{}-1", person.id), &person.token)
            .await
            .unwrap();
        chat.bind(None).await;
        chat
    }

    pub async fn group(&self, owner: &Person, others: &[&Person]) -> String {
        let ids: Vec<u64> = others.iter().map(|person| person.id).collect();
        let body = json!({"type": 2, "name": "G", "occupants_ids": ids});
        let (status, body) = self.post(owner, "/chat/Dialog", body).await;
        assert_eq!(status, 201, "{body}");
        body["_id"].as_str().unwrap().to_owned()
    }

    /// A dialog of a kind, with what else it has; its id.
    pub async fn dialog(&self, owner: &Person, kind: u8, more: Value) -> String {
        let mut body = json!({"type": kind, "name": "D"});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let (status, dialog) = self.post(owner, "/chat/Dialog", body).await;
        assert_eq!(status, 201, "{dialog}");
        dialog["_id"].as_str().unwrap().to_owned()
    }

    /// A message by REST; its id.
    pub async fn write(&self, author: &Person, dialog: &str, text: &str) -> String {
        let body = json!({"chat_dialog_id": dialog, "message": text});
        let (status, message) = self.post(author, "/chat/Message", body).await;
        assert_eq!(status, 201, "{message}");
        message["_id"].as_str().unwrap().to_owned()
    }

    /// A dialog in somebody's own list.
    pub async fn listed(&self, person: &Person, dialog: &str) -> Option<Value> {
        let (_, list) = self
            .get(person, &format!("/chat/Dialog?_id={dialog}"))
            .await;
        list["items"].as_array().unwrap().first().cloned()
    }

    /// The messages of a dialog as somebody sees them, without marking them as read.
    pub async fn history(&self, person: &Person, dialog: &str) -> Vec<Value> {
        let path = format!("/chat/Message?chat_dialog_id={dialog}&mark_as_read=0");
        let (status, list) = self.get(person, &path).await;
        assert_eq!(status, 200, "{list}");
        list["items"].as_array().unwrap().clone()
    }

    /// Their texts, one after the other.
    pub async fn texts(&self, person: &Person, dialog: &str) -> String {
        let history = self.history(person, dialog).await;
        let texts = history.iter().map(|item| item["message"].as_str().unwrap());
        texts.collect::<Vec<_>>().join(" ")
    }
}
