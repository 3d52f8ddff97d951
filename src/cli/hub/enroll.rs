//! `cubelet hub enroll`: an account for a device, and the code it takes it by.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::Context;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use url::Url;

use crate::cli::output::print;
use crate::config::hub::HubConfig;
use crate::hub::enrolment::{self, Opened, Wish};

/// Arguments of `cubelet hub enroll`.
#[derive(Debug, clap::Args)]
pub struct EnrollArgs {
    /// The device's login, which is its name as well: 3 to 32 of a-z, 0-9, _ and -.
    name: String,

    /// The hub's configuration.
    #[arg(long, value_name = "FILE", default_value = "/etc/cubelet/hub.toml")]
    config: PathBuf,

    /// What people see the device called, such as "Front door".
    #[arg(long, value_name = "TEXT")]
    full_name: Option<String>,

    /// Give an account that is in use a new code, for a board that replaces another. Whoever takes
    /// it changes the account's password.
    #[arg(long)]
    again: bool,

    /// Hours the code is good for.
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=720))]
    hours: u16,

    /// The address devices reach the hub at, if it is another than the configuration tells.
    #[arg(long, value_name = "URL")]
    hub: Option<Url>,

    /// No QR code.
    #[arg(long)]
    no_qr: bool,

    /// One JSON object: `login`, `user_id`, `code`, `uri`, `hub`, `ca_sha256`, `expires_at`.
    #[arg(long)]
    json: bool,
}

/// Opens a code and prints it, this once.
///
/// # Errors
/// The configuration, the hub's files, or a name that cannot be.
pub fn run(arguments: &EnrollArgs) -> anyhow::Result<()> {
    let path = &arguments.config;
    let config = HubConfig::load(path)
        .with_context(|| format!("the configuration {} cannot be used", path.display()))?;
    let wish = Wish {
        login: arguments.name.clone(),
        full_name: arguments.full_name.clone(),
        again: arguments.again,
        life: i64::from(arguments.hours) * 3600,
        hub: arguments.hub.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let opened = runtime.block_on(enrolment::enroll(&config, wish))?;
    let text = if arguments.json {
        object(&arguments.name, &opened)?
    } else {
        page(&arguments.name, &opened, !arguments.no_qr)?
    };
    Ok(print(text)?)
}

fn expiry(opened: &Opened) -> anyhow::Result<String> {
    Ok(OffsetDateTime::from_unix_timestamp(opened.expires_at)?.format(&Rfc3339)?)
}

fn object(login: &str, opened: &Opened) -> anyhow::Result<String> {
    let invitation = &opened.invitation;
    let object = json!({
        "login": login,
        "user_id": opened.user,
        "code": *invitation.code.expose(),
        "uri": *invitation.expose(),
        "hub": invitation.hub.as_str().trim_end_matches('/'),
        "ca_sha256": invitation.authority.map(hex::encode),
        "expires_at": expiry(opened)?,
    });
    Ok(format!("{object}\n"))
}

fn page(login: &str, opened: &Opened, with_qr: bool) -> anyhow::Result<String> {
    let invitation = &opened.invitation;
    let hub = invitation.hub.as_str().trim_end_matches('/');
    let mut page = String::new();
    if with_qr {
        let code = QrCode::new(invitation.expose().as_bytes())?;
        // Terminals are dark, and some readers want dark on light.
        let drawn = code
            .render::<Dense1x2>()
            .dark_color(Dense1x2::Light)
            .light_color(Dense1x2::Dark)
            .build();
        writeln!(page, "{drawn}\n")?;
    }
    writeln!(page, "{login} is user {} of {hub}.", opened.user)?;
    writeln!(page, "Its code, good once and until {}:\n", expiry(opened)?)?;
    writeln!(page, "    {}\n", *invitation.code.expose())?;
    writeln!(page, "On the device:\n")?;
    writeln!(
        page,
        "    sudo cubelet setup --hub {hub} --code {}",
        *invitation.code.expose()
    )?;
    Ok(page)
}
