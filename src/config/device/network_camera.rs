//! `[[camera.network]]` as a type, and its rules.

use std::path::PathBuf;

use url::Url;

use super::{Camera, VideoSource};
use crate::config::Secret;
use crate::config::reader::{FileReader, SectionReader};

/// Who looks, and the password, which may be none.
pub type Login = (String, Option<Secret>);

/// How the cameras at one host are watched.
#[derive(Clone, Debug)]
pub struct NetworkCamera {
    host: String,
    port: Option<u16>,
    login: Option<Login>,
    udp: Option<bool>,
    trust: CertificateTrust,
}

impl NetworkCamera {
    /// Who looks at this host's.
    pub(super) fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }
}

/// Which certificates of a camera are good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CertificateTrust {
    /// Those of the system's authorities, for the camera's name.
    #[default]
    System,
    /// That in the file, or one its authority signed.
    File(PathBuf),
    /// Any.
    Any,
}

/// How one camera is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameraAccess<'c> {
    /// Who looks.
    pub login: Option<&'c Login>,
    /// In datagrams of their own and not through the connection.
    pub udp: bool,
    /// Which certificates are good.
    pub trust: CertificateTrust,
}

impl NetworkCamera {
    fn is_of(&self, url: &Url) -> bool {
        let is_host = url
            .host_str()
            .is_some_and(|host| host.eq_ignore_ascii_case(&self.host));
        is_host && self.port.is_none_or(|port| port == port_of(url))
    }
}

impl Camera {
    /// How the camera at an address is watched: by the section that names its port, else by that of
    /// its host, else as all.
    pub fn access(&self, url: &Url) -> CameraAccess<'_> {
        let its = self.network.iter().filter(|one| one.is_of(url));
        let own = its.max_by_key(|one| one.port.is_some());
        let udp = own.and_then(|own| own.udp).unwrap_or(self.rtsp.udp);
        CameraAccess {
            login: match own {
                Some(own) => own.login.as_ref(),
                None => self.rtsp.login.as_ref(),
            },
            // Datagrams would go in clear.
            udp: udp && url.scheme() == "rtsp",
            trust: own.map(|own| own.trust.clone()).unwrap_or_default(),
        }
    }
}

/// RFC 2326 §3.2, RFC 7826 §4.2.
fn port_of(url: &Url) -> u16 {
    let usual = if url.scheme() == "rtsps" { 322 } else { 554 };
    url.port().unwrap_or(usual)
}

pub(super) fn read(file: &FileReader<'_>, sources: &[&VideoSource]) -> Option<Vec<NetworkCamera>> {
    let sections = file.repeated("camera.network");
    let mut hosts: Vec<(String, Option<u16>)> = Vec::new();
    let read = sections.iter().map(|section| {
        let camera = one(section, sources)?;
        let host = (camera.host.clone(), camera.port);
        if hosts.contains(&host) {
            section.fail("host", "has a section of its own already");
            return None;
        }
        hosts.push(host);
        Some(camera)
    });
    // Read all, so that every section gets its say.
    let read: Vec<_> = read.collect();
    read.into_iter().collect()
}

fn one(section: &SectionReader<'_>, sources: &[&VideoSource]) -> Option<NetworkCamera> {
    let host = section.parsed("host", |text| {
        let url = Url::parse(&format!("rtsp://{text}")).map_err(|error| error.to_string())?;
        let is_plain = url.path().is_empty()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty();
        match url.host_str() {
            Some(host) if !host.is_empty() && is_plain => Ok((host.to_owned(), url.port())),
            _ => Err("must be a host, or host and port, as `192.168.1.64:554`".to_owned()),
        }
    });
    let username = section.parsed("username", super::parse::camera_user);
    let password = section.secret("password", false);
    if password.is_some() && !section.given("username") {
        section.fail("username", "is required with a password");
    }
    let udp = match section.given("transport") {
        true => Some(section.text("transport")? == "udp"),
        false => None,
    };
    let certificate = match section.given("certificate") {
        true => Some(section.certificates("certificate")?),
        false => None,
    };
    let is_any = section.text("certificate_check")? == "none";
    if is_any && certificate.is_some() {
        section.fail(
            "certificate_check",
            "`none` leaves `certificate` without use",
        );
    }
    let (host, port) = host?;
    let camera = NetworkCamera {
        host,
        port,
        login: username.map(|username| (username, password)),
        udp,
        trust: match certificate {
            _ if is_any => CertificateTrust::Any,
            Some(file) => CertificateTrust::File(file),
            None => CertificateTrust::System,
        },
    };
    let its: Vec<&Url> = sources
        .iter()
        .filter_map(|source| match source {
            VideoSource::Rtsp(url) => Some(url),
            _ => None,
        })
        .filter(|url| camera.is_of(url))
        .collect();
    if its.is_empty() {
        section.fail(
            "host",
            "is the host of no `rtsp:` in `source` and `others` of [camera]",
        );
    } else if its.iter().all(|url| url.scheme() == "rtsp") {
        for key in ["certificate", "certificate_check"] {
            if section.given(key) {
                section.fail(key, "has no use without `rtsps:`");
            }
        }
    } else if camera.udp == Some(true) && its.iter().all(|url| url.scheme() == "rtsps") {
        section.fail(
            "transport",
            "`rtsps:` carries pictures in its connection alone",
        );
    }
    if is_any {
        section.warn(
            "certificate_check",
            "warning: whoever is in the network can stand in for this camera",
        );
    }
    Some(camera)
}
