//! The hub's own binary on fixed ports and a lasting folder, killed and started again.

use std::path::{Path, PathBuf};

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::hub_process::HubProcess;

#[derive(Clone, Debug, Deserialize)]
pub struct Ready {
    pub api: String,
    pub chat: String,
    pub ca: PathBuf,
    pub app_id: u64,
    pub auth_key: String,
}

pub struct Hub {
    folder: PathBuf,
    process: Option<HubProcess>,
    pub xmpp_port: u16,
    pub ready: Ready,
    http: reqwest::Client,
}

/// Free now; the hub must find the same one after every start.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Hub {
    pub async fn start(folder: &Path) -> Self {
        cubelet::base::tls::install_provider();
        let xmpp_port = free_port();
        let config = format!(
            "data_dir = \"{}\"\napp_id = 7\nauth_key = \"chaos\"\nnames = [\"localhost\"]\n\
             [listen]\nhttp = \"127.0.0.1:{}\"\nhttps = \"127.0.0.1:{}\"\n\
             xmpp_tls = \"127.0.0.1:{xmpp_port}\"\n\
             [limits]\noffline_messages = 100000\nlogin_failures = 1000\n",
            folder.join("data").display(),
            free_port(),
            free_port(),
        );
        std::fs::write(folder.join("hub.toml"), config).unwrap();
        let (process, ready) = launch(folder).await;
        Self {
            folder: folder.to_owned(),
            process: Some(process),
            xmpp_port,
            ready,
            http: reqwest::Client::new(),
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process = None;
    }

    pub async fn restart(&mut self) {
        self.kill();
        self.process = Some(launch(&self.folder).await.0);
    }

    async fn call(&self, method: Method, path: &str, key: (&str, &str), body: Value) -> Value {
        let url = format!("{}{path}", self.ready.api);
        let mut request = self.http.request(method, &url).header(key.0, key.1);
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{url}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Signs a user up and gives its number.
    pub async fn sign_up(&self, login: &str) -> u64 {
        let body = json!({ "user": { "login": login, "password": format!("{login} password") } });
        let key = ("CB-AuthKey", self.ready.auth_key.as_str());
        let answer = self.call(Method::POST, "/users", key, body).await;
        answer["user"]["id"].as_u64().unwrap()
    }

    pub async fn token(&self, login: &str) -> String {
        let body = json!({
            "application_id": self.ready.app_id,
            "auth_key": self.ready.auth_key,
            "user": { "login": login, "password": format!("{login} password") },
        });
        let key = ("CB-AuthKey", self.ready.auth_key.as_str());
        let answer = self.call(Method::POST, "/session", key, body).await;
        answer["session"]["token"].as_str().unwrap().to_owned()
    }

    pub async fn create_dialog(&self, token: &str, kind: u32, other: u64) -> String {
        let body = json!({ "type": kind, "name": "chaos", "occupants_ids": other.to_string() });
        let key = ("CB-Token", token);
        let answer = self.call(Method::POST, "/chat/Dialog", key, body).await;
        answer["_id"].as_str().unwrap().to_owned()
    }

    /// Every message of a dialog as `id body`, oldest first.
    pub async fn history(&self, token: &str, dialog: &str) -> Vec<String> {
        let mut history = Vec::new();
        loop {
            let path = format!(
                "/chat/Message?chat_dialog_id={dialog}&limit=100&skip={}&sort_asc=date_sent&mark_as_read=0",
                history.len()
            );
            let key = ("CB-Token", token);
            let answer = self.call(Method::GET, &path, key, Value::Null).await;
            let items = answer["items"].as_array().unwrap();
            history.extend(items.iter().map(|message| {
                let text = |name: &str| message[name].as_str().unwrap().to_owned();
                format!("{} {}", text("_id"), text("message"))
            }));
            if items.len() < 100 {
                return history;
            }
        }
    }
}

async fn launch(folder: &Path) -> (HubProcess, Ready) {
    let config = folder.join("hub.toml");
    HubProcess::start(&["--config".as_ref(), config.as_os_str()], folder).await
}
