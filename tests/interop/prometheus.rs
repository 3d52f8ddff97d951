//! What the guide on pictures and figures tells people to type and to write, with Prometheus and
//! curl, over TLS and with a token as between machines.
//!
//! Replaced in the guide's text, and nothing else: the address the device is reached at
//! (`0.0.0.0:8443` and `door.lan:8443`, a port of this run at 127.0.0.1) and Prometheus' folder
//! (`/etc/prometheus`, one of the test's). Added: an interval of a second instead of Prometheus'
//! minute, and the same job once more with a token that is not the device's.

// All of it is test code; clippy exempts only the functions marked as tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use cubelet::engine::daemon::{Daemon, Options};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const GUIDE: &str = include_str!("../../docs/guide/pictures.md");
/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How often Prometheus is asked; it tells nobody when it has looked.
const AGAIN: Duration = Duration::from_millis(100);

/// The block of the guide in this language that has these words.
fn block(language: &str, words: &str) -> &'static str {
    let fence = format!("```{language}\n");
    let blocks = GUIDE.split(&fence).skip(1);
    let mut blocks = blocks.filter_map(|rest| rest.split("```").next());
    blocks.find(|block| block.contains(words)).expect(words)
}

async fn shell(folder: &Path, script: &str) -> Output {
    let done = Command::new("bash")
        .args(["-euc", script])
        .current_dir(folder)
        .output();
    let done = done.await.unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{script}\n{told}");
    done
}

/// A device whose console is configured as in the guide, of files made as it says.
struct Door {
    daemon: Daemon,
    address: String,
    folder: tempfile::TempDir,
}

impl Door {
    async fn start(console: &str) -> Self {
        cubelet::base::tls::install_provider();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        // One certificate is the door's and, its own issuer, the site's authority.
        for name in ["console.pem", "ca.pem", "site-ca.pem"] {
            std::fs::write(path.join(name), made.cert.pem()).unwrap();
        }
        std::fs::write(path.join("console.key"), made.signing_key.serialize_pem()).unwrap();
        std::fs::write(path.join("password"), "x").unwrap();
        let (_, typed) = block("toml", "token_file").split_once('`').unwrap();
        let typed = typed.split('`').next().unwrap();
        assert!(typed.starts_with("openssl rand"), "{typed}");
        shell(path, &format!("{typed}; cp console-token door-token")).await;
        shell(path, "chmod 600 console-token console.key password").await;
        shell(path, "openssl rand -hex 24 > strange-token").await;
        let file = path.join("kiosk.toml");
        let text = format!(
            "[device]\nname = \"door\"\nstate_dir = \"state\"\n\
             [hub]\napi = \"http://127.0.0.1:9\"\nchat = \"ws://127.0.0.1:9/xmpp\"\napp_id = 1\n\
             auth_key = \"x\"\nlogin = \"door\"\npassword_file = \"password\"\n\
             [camera]\nsource = \"test:ball\"\n[audio]\nsource = \"test\"\nsink = \"null\"\n{console}"
        );
        std::fs::write(&file, text).unwrap();
        let config = cubelet::config::load_device(&file).unwrap();
        let (more, mut bound) = cubelet::console::actors(&config);
        let options = Options {
            keep_frames: false,
            more,
        };
        let daemon = Daemon::start(config, options).unwrap();
        let bound = tokio::time::timeout(LIMIT, bound.wait_for(Option::is_some)).await;
        let address = bound.unwrap().unwrap().unwrap().to_string();
        Self {
            daemon,
            address,
            folder,
        }
    }

    /// For other machines.
    async fn of_the_network() -> Self {
        Self::start(&block("toml", "token_file").replace("0.0.0.0:8443", "127.0.0.1:0")).await
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_guide_types_with_curl_gives_pictures_and_health() {
    let own = Door::start(&block("toml", "this machine only").replace("8088", "0")).await;
    let typed = block("console", "healthz").replace("127.0.0.1:8088", &own.address);
    let (typed, printed) = typed.rsplit_once("\n{").unwrap();
    let done = shell(own.path(), &typed.replace("$ ", "")).await;
    assert_eq!(
        String::from_utf8_lossy(&done.stdout).trim(),
        format!("{{{}", printed.trim())
    );
    let door = Door::of_the_network().await;
    let typed = block("console", "--cacert").replace("door.lan:8443", &door.address);
    shell(door.path(), typed.trim_start_matches("$ ")).await;
    for door in [own, door] {
        let picture = std::fs::read(door.path().join("door.jpg")).unwrap();
        assert!(picture.starts_with(&[0xff, 0xd8]) && picture.ends_with(&[0xff, 0xd9]));
        door.daemon.stop().await;
    }
}

/// Prometheus itself, with nothing but what a test writes.
struct Prometheus {
    address: String,
    _child: Child,
}

impl Prometheus {
    async fn start(folder: &Path) -> Self {
        let mut child = Command::new("prometheus")
            .arg("--config.file=prometheus.yml")
            .args(["--storage.tsdb.path=figures", "--web.listen-address"])
            .arg("127.0.0.1:0")
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Prometheus is not installed: run `scripts/setup test`");
        let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
        // Where it listens and that it answers are told by two threads, in any order; until it is
        // ready every query is refused.
        let ready = async {
            let mut all = String::new();
            let (mut listens, mut is_ready) = (None, false);
            while let Some(line) = told.next_line().await.unwrap() {
                if let Some((_, address)) = line.split_once("msg=\"Listening on\" address=") {
                    listens = Some(address.to_owned());
                }
                is_ready |= line.contains("Server is ready to receive web requests");
                if is_ready && let Some(address) = listens.take() {
                    return address;
                }
                all.extend([&line, "\n"]);
            }
            panic!("Prometheus ended:\n{all}");
        };
        let address = tokio::time::timeout(LIMIT, ready).await.unwrap();
        tokio::spawn(async move { while let Ok(Some(_)) = told.next_line().await {} });
        Self {
            address,
            _child: child,
        }
    }

    async fn get(&self, path: &str) -> Value {
        let url = format!("http://{}/api/v1/{path}", self.address);
        let answer = reqwest::get(url).await.unwrap();
        let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        answer["data"].clone()
    }

    /// Waits until a query's only answer is this value.
    async fn says(&self, query: &str, value: &str) {
        let since = Instant::now();
        loop {
            let found = self.get(&format!("query?query={query}")).await;
            let results = found["result"].as_array().unwrap();
            if results.len() == 1 && results[0]["value"][1] == value {
                return;
            }
            if since.elapsed() > LIMIT {
                let targets = self.get("targets").await;
                panic!("{query} is {found}, not {value}: {targets}");
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_configured_as_the_guide_says_has_the_devices_figures() {
    let door = Door::of_the_network().await;
    let folder = door.path().to_str().unwrap();
    let job = block("yaml", "scrape_configs")
        .replace("door.lan:8443", &door.address)
        .replace("/etc/prometheus", folder);
    let (_, again) = job.split_once('\n').unwrap();
    let stranger = again
        .replace("job_name: door", "job_name: stranger")
        .replace("door-token", "strange-token");
    let text = format!("global: {{ scrape_interval: 1s }}\n{job}{stranger}");
    std::fs::write(door.path().join("prometheus.yml"), text).unwrap();
    shell(door.path(), "promtool check config prometheus.yml").await;
    let prometheus = Prometheus::start(door.path()).await;
    prometheus.says("up{job=\"door\"}", "1").await;
    for (query, value) in [
        ("cubelet_part_alive{job=\"door\",part=\"console\"}", "1"),
        ("cubelet_source_failed{source=\"camera\"}", "0"),
        ("cubelet_door_unlocked", "0"),
        ("sum(cubelet_chat_status)", "1"),
    ] {
        prometheus.says(query, value).await;
    }
    let build = format!(
        "cubelet_build_info{{version=\"{}\"}}",
        env!("CARGO_PKG_VERSION")
    );
    prometheus.says(&build, "1").await;
    // Who has another token is told nothing.
    prometheus.says("up{job=\"stranger\"}", "0").await;
    let known = prometheus.get("query?query={job=\"stranger\"}").await;
    let known = known["result"].as_array().unwrap().iter();
    let names = known.map(|one| one["metric"]["__name__"].as_str().unwrap());
    let ours: Vec<&str> = names.filter(|name| name.starts_with("cubelet")).collect();
    assert_eq!(ours, [""; 0]);
    door.daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promtool_finds_no_fault_in_the_figures() {
    let own = Door::start(&block("toml", "this machine only").replace("8088", "0")).await;
    let script = format!(
        "curl -sf http://{}/metrics > figures.txt; promtool check metrics < figures.txt",
        own.address
    );
    let done = shell(own.path(), &script).await;
    assert_eq!(String::from_utf8_lossy(&done.stderr), "");
    let figures = std::fs::read_to_string(own.path().join("figures.txt")).unwrap();
    assert!(figures.contains("cubelet_build_info"), "{figures}");
    own.daemon.stop().await;
}
