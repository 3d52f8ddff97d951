//! A directory with a valid configuration and its secrets, to be broken one way at a time.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cubelet::config::{DeviceConfig, Report, Surroundings, check_device};

/// The least a device needs.
pub const MINIMAL: &str = r#"
[device]
name = "front-door"

[hub]
api = "https://hub.example"
chat = "tls://chat.example"
app_id = 7
auth_key = "key"
login = "door"
password_file = "password"
"#;

pub struct Fixture {
    pub dir: tempfile::TempDir,
}

impl Fixture {
    pub fn new() -> Self {
        let fixture = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        fixture.secret("password", "correct horse\n", 0o600);
        fixture
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn secret(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        path
    }

    /// Writes a certificate; gives its key.
    pub fn certificate(&self, name: &str) -> String {
        let made = rcgen::generate_simple_self_signed(["hub.example".to_owned()]).unwrap();
        std::fs::write(self.path().join(name), made.cert.pem()).unwrap();
        made.signing_key.serialize_pem()
    }

    pub fn write(&self, text: &str) -> PathBuf {
        let path = self.path().join("kiosk.toml");
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn check(&self, text: &str) -> Report<DeviceConfig> {
        check_device(&self.write(text), &Surroundings::default())
    }

    /// The minimal configuration with more text behind it.
    pub fn check_with(&self, more: &str) -> Report<DeviceConfig> {
        self.check(&format!("{MINIMAL}{more}"))
    }

    /// The mistakes without the directory's name.
    pub fn problems(&self, text: &str) -> Vec<String> {
        let errors = self.check(text).outcome.unwrap_err();
        let dir = format!("{}/", self.path().display());
        errors
            .problems()
            .iter()
            .map(|problem| problem.to_string().replace(&dir, ""))
            .collect()
    }

    pub fn problems_with(&self, more: &str) -> Vec<String> {
        self.problems(&format!("{MINIMAL}{more}"))
    }
}
