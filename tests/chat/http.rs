//! A REST server under the test's control: a script of answers, a record of requests.

use std::collections::VecDeque;
use std::sync::Arc;

use cubelet::rest::{Login, RestClient, RestSettings};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// One request as received.
#[derive(Clone, Debug)]
pub struct Request {
    /// Such as `GET /users/v2?limit=1`.
    pub line: String,
    /// In lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What to do with one request.
#[derive(Clone, Debug)]
pub enum Answer {
    Json(u16, String),
    /// Status and body with further header lines.
    With(u16, &'static str, String),
    /// Close without a word.
    Hangup,
    /// Never answer.
    Silence,
}

pub fn json(status: u16, body: &str) -> Answer {
    Answer::Json(status, body.into())
}

/// How requests other than logins are answered.
type Script = Arc<Mutex<VecDeque<Answer>>>;

pub struct Http {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
    script: Script,
    logins: Script,
    /// Calls with this token are answered with 401, whatever the script says.
    expired: Arc<Mutex<Option<String>>>,
    /// Let through by `release`, where logins are held back.
    gate: Arc<Option<Notify>>,
}

impl Http {
    /// Logins give the tokens `token-1`, `token-2`, …; other requests are answered by the script.
    pub async fn start(script: impl IntoIterator<Item = Answer>) -> Self {
        Self::start_gated(script, false).await
    }

    /// Like `start`, but logins wait for `release`.
    pub async fn start_gated(script: impl IntoIterator<Item = Answer>, gated: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = Self {
            port: listener.local_addr().unwrap().port(),
            requests: Arc::default(),
            script: Arc::new(Mutex::new(script.into_iter().collect())),
            logins: Arc::default(),
            expired: Arc::default(),
            gate: Arc::new(gated.then(Notify::new)),
        };
        let (requests, script) = (http.requests.clone(), http.script.clone());
        let (logins, gate) = (http.logins.clone(), http.gate.clone());
        let expired = http.expired.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = Serving {
                    requests: requests.clone(),
                    script: script.clone(),
                    logins: logins.clone(),
                    expired: expired.clone(),
                    gate: gate.clone(),
                };
                tokio::spawn(serving.serve(stream));
            }
        });
        http
    }

    /// The next logins are answered so instead.
    pub fn answer_logins(&self, answers: impl IntoIterator<Item = Answer>) {
        self.logins.lock().extend(answers);
    }

    /// From now on calls with this token are refused.
    pub fn expire(&self, token: &str) {
        *self.expired.lock() = Some(token.into());
    }

    pub fn release(&self) {
        (*self.gate).as_ref().expect("no gate").notify_one();
    }

    pub fn client(&self) -> RestClient {
        RestClient::new(self.settings(), Login::new("door", "secret word")).unwrap()
    }

    pub fn settings(&self) -> RestSettings {
        RestSettings {
            api: format!("http://127.0.0.1:{}", self.port).parse().unwrap(),
            app_id: 7,
            auth_key: String::from("the-auth-key").into(),
            ca: None,
        }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().clone()
    }

    pub fn count(&self, line: &str) -> usize {
        let requests = self.requests.lock();
        requests
            .iter()
            .filter(|request| request.line == line)
            .count()
    }

    pub fn logins(&self) -> usize {
        self.count("POST /session")
    }
}

struct Serving {
    requests: Arc<Mutex<Vec<Request>>>,
    script: Script,
    logins: Script,
    expired: Arc<Mutex<Option<String>>>,
    gate: Arc<Option<Notify>>,
}

impl Serving {
    async fn serve(self, mut stream: TcpStream) {
        while let Some(request) = read(&mut stream).await {
            self.requests.lock().push(request.clone());
            let (status, headers, body) = match self.answer(&request).await {
                Answer::Json(status, body) => (status, "", body),
                Answer::With(status, headers, body) => (status, headers, body),
                Answer::Hangup => return,
                Answer::Silence => return std::future::pending().await,
            };
            let length = body.len();
            let text =
                format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
            if stream.write_all(text.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    async fn answer(&self, request: &Request) -> Answer {
        if request.line == "POST /session" {
            if let Some(gate) = &*self.gate {
                gate.notified().await;
            }
            let special = self.logins.lock().pop_front();
            return special.unwrap_or_else(|| {
                let requests = self.requests.lock();
                let logins = requests
                    .iter()
                    .filter(|request| request.line == "POST /session");
                let number = logins.count();
                json(
                    201,
                    &format!(r#"{{"session":{{"token":"token-{number}","user_id":5}}}}"#),
                )
            });
        }
        let expired = self.expired.lock().clone();
        if expired.is_some() && request.header("cb-token") == expired.as_deref() {
            return json(
                401,
                r#"{"errors":{"base":["Required session does not exist"]}}"#,
            );
        }
        let next = self.script.lock().pop_front();
        next.unwrap_or_else(|| json(200, "{}"))
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let line = lines.next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = bytes.split_off(head_end + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(body).unwrap();
    Some(Request {
        line,
        headers,
        body,
    })
}
