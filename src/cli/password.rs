//! `cubelet password`: another password for the device's user, at the hub and in the device's file.
//! A running daemon takes it by itself when the hub refuses the old one.

use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rand::Rng;
use rand::distr::Alphanumeric;

use crate::config::{self, Secret};
use crate::engine::upstream::rest_client;

/// Letters and digits of a password that is made up: 190 bits.
const LENGTH: usize = 32;

/// Arguments of `cubelet password`.
#[derive(Debug, clap::Args)]
pub struct PasswordArgs {
    /// The device's configuration; its `hub.password_file` is rewritten.
    #[arg(long, value_name = "FILE", default_value = "/etc/cubelet/kiosk.toml")]
    config: PathBuf,

    /// Take the new password from this file (mode 0600, one line) instead of making one up.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

/// Changes it. The new one is on the disk, beside the old one, before the hub hears of it, so that
/// no moment of a power cut leaves a device without the password it has.
///
/// # Errors
/// The configuration, the file, or the hub's refusal; then everything is as before.
pub fn run(arguments: &PasswordArgs) -> anyhow::Result<()> {
    let config = config::load_device(&arguments.config)?;
    let Some(file) = &config.hub.password_file else {
        bail!(
            "the password of {} is a credential that systemd hands over; only a hub.password_file can be \
             rewritten",
            arguments.config.display()
        );
    };
    let new = match &arguments.from {
        Some(from) => config::read_secret(from).map_err(anyhow::Error::msg)?,
        None => made_up(),
    };
    let beside = beside(file);
    write(&beside, file, &new)
        .with_context(|| format!("the new password cannot be written to {}", beside.display()))?;
    let changed = change(&config, &new);
    if let Err(error) = changed {
        std::fs::remove_file(&beside).ok();
        return Err(error);
    }
    std::fs::rename(&beside, file).with_context(|| {
        format!(
            "the hub has the new password, which is in {}, but {} cannot be replaced: move it there",
            beside.display(),
            file.display()
        )
    })?;
    let user = &config.device.name;
    println!(
        "the password of {user} is changed, at the hub and in {}",
        file.display()
    );
    Ok(())
}

fn change(config: &config::DeviceConfig, new: &Secret) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let client = rest_client(config)?;
        client
            .change_password(config.hub.password.expose(), new.expose())
            .await
            .context("the hub does not change the password")?;
        // One that stays is forgotten by the hub in its time.
        client.destroy_session().await.ok();
        Ok(())
    })
}

fn made_up() -> Secret {
    let random = rand::rng().sample_iter(Alphanumeric);
    Secret::new(random.take(LENGTH).map(char::from).collect::<String>())
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// Written, readable by whom the old file belongs to alone, and driven to the disk.
fn write(path: &Path, like: &Path, password: &Secret) -> std::io::Result<()> {
    let owner = std::fs::metadata(like)?;
    let mut file = std::fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (owner.uid(), owner.gid()) {
        chown(path, Some(owner.uid()), Some(owner.gid()))?;
    }
    writeln!(file, "{}", password.expose())?;
    file.sync_all()
}
