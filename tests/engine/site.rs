//! A hub with a door station and an indoor station, for one test.

use std::path::Path;
use std::time::Duration;

use cubelet::config::hub::{HubConfig, Secret};
use cubelet::engine::command::{Command, CommandError, Reply, Request, UserRef};
use cubelet::engine::daemon::{Daemon, Options};
use cubelet::engine::event::{Event, EventKind};
use cubelet::engine::state::{CallStatus, ChatStatus, DeviceState};
use cubelet::hub::RunningHub;
use cubelet::rest::{Login, RestClient, RestSettings};
use serde_json::{Value, json};
use tokio::sync::{broadcast, oneshot, watch};

/// How long anything may take before the test says what it was waiting for.
const LIMIT: Duration = Duration::from_secs(20);

const CAMERA: &str =
    "[camera]\nsource = \"test:ball\"\nothers = [\"test:smpte\"]\nwidth = 320\nheight = 240\n";

pub struct Site {
    pub hub: RunningHub,
    /// Another way to the hub's REST API, for stations made from now on.
    pub api: Option<String>,
    config: HubConfig,
    folder: tempfile::TempDir,
}

pub struct Station {
    daemon: Daemon,
    login: String,
    pub user: u64,
    pub password: String,
    pub events: Events,
    /// Where its console listens.
    pub console: cubelet::console::Bound,
    /// Where its RTSP server listens.
    pub rtsp: cubelet::rtsp::Bound,
    state: watch::Receiver<DeviceState>,
}

/// Who a stopped station was.
pub struct Before {
    login: String,
    user: u64,
    password: String,
}

impl Before {
    /// Starts it again, on what it has on its disk.
    pub async fn again(self, site: &Site, extra: &str) -> Station {
        site.start_station(&self.login, self.user, self.password, extra)
            .await
    }
}

/// Events heard since the station started, none skipped.
pub struct Events {
    arriving: broadcast::Receiver<Event>,
    /// Texts of the messages among those heard, in order.
    messages: Vec<String>,
}

impl Events {
    /// Waits for an event that satisfies `wanted`.
    pub async fn hear<T>(&mut self, what: &str, wanted: impl Fn(&EventKind) -> Option<T>) -> T {
        let wait = async {
            loop {
                let event = self.arriving.recv().await.expect("the device lives");
                if let EventKind::ChatMessage { text, .. } = &event.kind {
                    self.messages.push(text.clone());
                }
                if let Some(found) = wanted(&event.kind) {
                    return found;
                }
            }
        };
        tokio::time::timeout(LIMIT, wait)
            .await
            .unwrap_or_else(|_| panic!("never heard: {what}"))
    }
}

impl Site {
    pub async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// With a hub configured a little differently.
    pub async fn start_with(adapt: impl FnOnce(&mut HubConfig)) -> Self {
        let key = |name: &str| Secret::new(format!("{name}-{}", uuid::Uuid::new_v4().simple()));
        let folder = tempfile::tempdir().expect("a folder");
        // It may have to be found again by a hub that is started anew.
        let data = folder.path().join("hub");
        let mut config = HubConfig::dev_in(data, key("auth"), key("admin"));
        adapt(&mut config);
        let hub = cubelet::hub::start(config.clone()).await;
        Self {
            hub: hub.expect("the hub starts"),
            api: None,
            config,
            folder,
        }
    }

    /// Does something while there is no hub; it comes back at the same addresses.
    pub async fn without_hub<T>(self, work: impl AsyncFnOnce() -> T) -> (Self, T) {
        let address = |url: &str| {
            let (_, port) = url.rsplit_once(':').expect("a port");
            std::net::SocketAddr::from(([127, 0, 0, 1], port.parse().expect("a port")))
        };
        let ready = self.hub.ready();
        let mut config = self.config;
        config.listen.http = address(&ready.api);
        config.listen.https = address(&ready.https);
        config.listen.xmpp_tls = address(&ready.xmpp_tls);
        self.hub.stop().await;
        let outcome = work().await;
        let hub = cubelet::hub::start(config.clone()).await;
        let site = Self {
            hub: hub.expect("the hub starts again"),
            config,
            ..self
        };
        (site, outcome)
    }

    pub async fn sign_up(&self, login: &str, password: &str) -> u64 {
        let user = json!({ "login": login, "password": password });
        self.sign_up_as(user).await
    }

    /// Signs somebody up with whatever fields.
    pub async fn sign_up_as(&self, user: Value) -> u64 {
        let ready = self.hub.ready();
        cubelet::base::tls::install_provider();
        let answer: Value = reqwest::Client::new()
            .post(format!("{}/users", ready.api))
            .header("CB-AuthKey", &ready.auth_key)
            .json(&json!({ "user": user }))
            .send()
            .await
            .expect("the hub answers")
            .json()
            .await
            .expect("JSON");
        answer["user"]["id"]
            .as_u64()
            .unwrap_or_else(|| panic!("no user in {answer}"))
    }

    /// Signs a station up, starts it and waits until it is online. `extra` is TOML.
    pub async fn station(&self, login: &str, extra: &str) -> Station {
        let password = format!("pw-{}", uuid::Uuid::new_v4().simple());
        let user = self.sign_up(login, &password).await;
        self.start_station(login, user, password, extra).await
    }

    /// As [`Site::station`], with neither camera nor display.
    pub async fn blind_station(&self, login: &str) -> Station {
        self.station_seeing(login, "none", "").await
    }

    /// As [`Site::station`], with another camera.
    pub async fn station_seeing(&self, login: &str, camera: &str, extra: &str) -> Station {
        let camera = format!("[camera]\nsource = {camera:?}\nwidth = 320\nheight = 240\n");
        self.station_with_camera(login, &camera, extra).await
    }

    /// As [`Site::station`], with another `[camera]`.
    pub async fn station_with_camera(&self, login: &str, camera: &str, extra: &str) -> Station {
        let password = format!("pw-{}", uuid::Uuid::new_v4().simple());
        let user = self.sign_up(login, &password).await;
        let account = format!("login = {login:?}");
        let file = self.configure(login, &account, &password, camera, extra);
        online(self.start_file(login, &file, user, password)).await
    }

    /// Starts a station whose user there is already, and waits until it is online.
    pub async fn start_station(
        &self,
        login: &str,
        user: u64,
        password: String,
        extra: &str,
    ) -> Station {
        let account = format!("login = {login:?}");
        online(self.launch(login, &account, user, password, extra)).await
    }

    /// A station's own database, to be looked into while it is not running.
    pub fn store_of(&self, login: &str) -> std::path::PathBuf {
        self.state_folder(login).join("cubelet.db")
    }

    /// Starts a device of this name; `account` is the line of `[hub]` that says who it is.
    pub fn launch(
        &self,
        name: &str,
        account: &str,
        user: u64,
        password: String,
        extra: &str,
    ) -> Station {
        let file = self.configure(name, account, &password, CAMERA, extra);
        self.start_file(name, &file, user, password)
    }

    fn start_file(&self, login: &str, file: &Path, user: u64, password: String) -> Station {
        let config = cubelet::config::load_device(file).expect("a good configuration");
        let control = cubelet::control::actors(&config);
        let (console, bound) = cubelet::console::actors(&config);
        let (rtsp, rtsp_bound) = cubelet::rtsp::actors(&config);
        let options = Options {
            keep_frames: false,
            more: Box::new(move |port| {
                let mut actors = control(port);
                actors.extend(console(port));
                actors.extend(rtsp(port));
                actors
            }),
        };
        let daemon = Daemon::start(config, options).expect("the device starts");
        Station {
            login: login.to_owned(),
            user,
            password,
            events: Events {
                arriving: daemon.port.events(),
                messages: Vec::new(),
            },
            state: daemon.port.state(),
            console: bound,
            rtsp: rtsp_bound,
            daemon,
        }
    }

    /// The hub's REST API as one of its users, beside the user's device.
    pub fn rest(&self, login: &str, password: &str) -> RestClient {
        let ready = self.hub.ready();
        let settings = RestSettings {
            api: ready.api.parse().expect("an address"),
            app_id: ready.app_id,
            auth_key: ready.auth_key.clone().into(),
            ca: Some(ready.ca.clone()),
        };
        RestClient::new(settings, Login::new(login, password)).expect("a client")
    }

    /// Where a station keeps its state.
    pub fn state_folder(&self, login: &str) -> std::path::PathBuf {
        self.folder.path().join(login).join("state")
    }

    /// Gives a station's user a tag.
    pub async fn tag(&self, station: &Station, tag: &str) {
        let rest = self.rest(&station.login, &station.password);
        let token = rest.session().await.expect("a session").token;
        let answer = reqwest::Client::new()
            .put(format!("{}/users/{}", self.hub.ready().api, station.user))
            .header("CB-Token", token)
            .json(&json!({ "user": { "tag_list": tag } }))
            .send()
            .await
            .expect("the hub answers");
        assert!(answer.status().is_success(), "{answer:?}");
    }

    /// Writes a file of mode 0600.
    pub fn secret(&self, name: &str, text: &str) -> std::path::PathBuf {
        let file = self.folder.path().join(name);
        secret(&file, text);
        file
    }

    /// Writes a configuration with its secrets; `camera` and `extra` are TOML.
    pub fn configure(
        &self,
        name: &str,
        account: &str,
        password: &str,
        camera: &str,
        extra: &str,
    ) -> std::path::PathBuf {
        let ready = self.hub.ready();
        let home = self.folder.path().join(name);
        std::fs::create_dir_all(&home).expect("a folder");
        secret(&home.join("password"), password);
        secret(&home.join("auth-key"), &ready.auth_key);
        let file = home.join("kiosk.toml");
        let audio = if extra.contains("[audio]") {
            ""
        } else {
            "[audio]\nsource = \"test\"\nsink = \"null\"\n"
        };
        let text = format!(
            "[device]\nname = \"{name}\"\nstate_dir = \"state\"\n\
             [hub]\napi = \"{}\"\nchat = \"tls://{}\"\nchat_host = \"{}\"\nca = {:?}\n\
             app_id = {}\nauth_key_file = \"auth-key\"\n{account}\n\
             password_file = \"password\"\n\
             {camera}{audio}{extra}\n",
            self.api.as_ref().unwrap_or(&ready.api),
            ready.xmpp_tls,
            ready.chat,
            ready.ca,
            ready.app_id,
        );
        std::fs::write(&file, text).expect("a file");
        file
    }
}

async fn online(mut station: Station) -> Station {
    station
        .reaches("online", |state| state.chat.status == ChatStatus::Online)
        .await;
    station
}

fn secret(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).expect("a file");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("a mode");
}

impl Station {
    /// Gives a command.
    pub async fn command(&self, command: Command) -> Result<Value, CommandError> {
        let (reply, answer) = oneshot::channel();
        let request = Request { command, reply };
        self.daemon
            .port
            .requests
            .send(request)
            .await
            .expect("the device lives");
        match tokio::time::timeout(LIMIT, answer)
            .await
            .expect("an answer")
            .expect("an answer")?
        {
            Reply::Json(value) => Ok(value),
            Reply::Jpeg(picture) => Ok(json!({ "bytes": picture.len() })),
        }
    }

    /// Waits until the state satisfies `wanted`.
    pub async fn reaches(&mut self, what: &str, wanted: impl Fn(&DeviceState) -> bool) {
        let result = tokio::time::timeout(LIMIT, self.state.wait_for(|state| wanted(state))).await;
        let reached = matches!(result, Ok(Ok(_)));
        drop(result);
        assert!(reached, "never reached {what}: {:#?}", *self.state.borrow());
    }

    pub async fn is_connected(&mut self) {
        self.reaches("a connected call with pictures and sound", |state| {
            let media = state.call.media.unwrap_or_default();
            state.call.status == CallStatus::Connected
                && media.frames_decoded > 5
                && media.audio_decoded_ms > 0
        })
        .await;
    }

    pub async fn rings(&mut self) {
        self.reaches("ringing", |state| state.call.status == CallStatus::Ringing)
            .await;
    }

    pub async fn ended(&mut self) -> String {
        self.events
            .hear("the end of a call", |event| match event {
                EventKind::Call {
                    reason: Some(reason),
                    ..
                } => Some(reason.clone()),
                _ => None,
            })
            .await
    }

    /// Texts of the messages heard of so far, in order.
    pub fn heard_messages(&self) -> &[String] {
        &self.events.messages
    }

    pub fn state(&self) -> DeviceState {
        self.state.borrow().clone()
    }

    /// Waits until somebody it rings is known to be offline.
    pub async fn knows_who_is_offline(&mut self) {
        self.reaches("knowing who is offline", |state| {
            !state.ring.offline.is_empty()
        })
        .await;
    }

    /// Waits until everybody its configuration names is known.
    pub async fn knows_everybody(&mut self) {
        self.reaches("knowing everybody", |state| state.policy.unknown.is_empty())
            .await;
    }

    /// Watches the state for a time in which it must not change away from `wanted`.
    pub async fn stays_for(&mut self, time: Duration, wanted: impl Fn(&DeviceState) -> bool) {
        let left = self.state.wait_for(|state| !wanted(state));
        let left = tokio::time::timeout(time, left).await.is_ok();
        assert!(!left, "did not stay: {:#?}", *self.state.borrow());
    }

    pub async fn stop(self) -> Before {
        self.daemon.stop().await;
        Before {
            login: self.login,
            user: self.user,
            password: self.password,
        }
    }
}

/// A user named by login.
pub fn user(login: &str) -> UserRef {
    UserRef::Login(login.to_owned())
}

/// A door station that rings `indoor` and lets it open the door, and the indoor station.
pub async fn door_and_indoor(site: &Site) -> (Station, Station) {
    let door = site
        .station(
            "door",
            "[calls]\nring = [\"indoor\"]\nbind = [\"127.0.0.1\"]\n\
             [door]\nrelay = \"log\"\npulse_ms = 500\nunlock_allowed = [\"indoor\"]\n\
             [control]\ntest_commands = true\n",
        )
        .await;
    let indoor = site
        .station(
            "indoor",
            "[calls]\nbind = [\"127.0.0.1\"]\n[control]\ntest_commands = true\n",
        )
        .await;
    (door, indoor)
}

/// Rings and answers until both see and hear each other.
pub async fn talk(door: &mut Station, indoor: &mut Station) {
    door.command(Command::Press).await.expect("the bell rings");
    indoor.rings().await;
    indoor.command(Command::Answer).await.expect("answered");
    door.is_connected().await;
    indoor.is_connected().await;
}
