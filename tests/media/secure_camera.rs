//! Cameras of the network that speak TLS: whose certificate is taken, and what is said of others.

use std::path::{Path, PathBuf};

use cubelet::media::source::{RtspCamera, RtspLogin, RtspTrust};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::colours::Colour;
use crate::network_camera::Watched;
use crate::rtsp_camera::{Server, h264};
use crate::support::warm;

/// A camera's certificate, and those one may trust for it.
struct Certificates {
    folder: tempfile::TempDir,
    authority: PathBuf,
    stranger: PathBuf,
}

impl Certificates {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = authority.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(authority, key);
        // Signed by it, for the address it is reached at.
        let key = KeyPair::generate().unwrap();
        let named = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let named = named.signed_by(&key, &issuer).unwrap().pem();
        file("signed.pem", named + &key.serialize_pem());
        // Made by the camera itself, of a name that means nothing, and long expired.
        let key = KeyPair::generate().unwrap();
        let mut own = CertificateParams::new(vec!["ipcam.example".to_owned()]).unwrap();
        own.not_before = rcgen::date_time_ymd(2011, 1, 1);
        own.not_after = rcgen::date_time_ymd(2012, 1, 1);
        let own = own.self_signed(&key).unwrap().pem();
        file("own-certificate.pem", own.clone());
        file("own.pem", own + &key.serialize_pem());
        let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        Self {
            authority: file("authority.pem", certificate),
            stranger: file("stranger.pem", other.cert.pem()),
            folder,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn server(pem: &Path) -> Server {
    let pem = pem.display().to_string();
    Server::start_at(0, &h264("green"), &["viewer", "correct horse", &pem])
}

fn camera(server: &Server, trust: RtspTrust) -> RtspCamera {
    RtspCamera {
        url: format!("rtsps://127.0.0.1:{}/live", server.port),
        login: Some(RtspLogin {
            user: "viewer".into(),
            password: "correct horse".into(),
        }),
        udp: false,
        trust,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_by_tls_is_seen_where_its_certificate_or_its_authority_is_known() {
    warm().await;
    let certificates = Certificates::new();
    let signed = server(&certificates.path("signed.pem"));
    let own = server(&certificates.path("own.pem"));
    let known = RtspTrust::File(certificates.path("own-certificate.pem"));
    for (server, trust) in [
        (&signed, RtspTrust::File(certificates.authority.clone())),
        (&own, known),
        (&own, RtspTrust::Any),
    ] {
        let watched = Watched::start(camera(server, trust.clone()));
        assert_eq!(watched.colour().await, Colour::Green, "{trust:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_nobody_vouches_for_and_a_wrong_password_by_tls_are_named() {
    warm().await;
    let certificates = Certificates::new();
    let signed = server(&certificates.path("signed.pem"));
    let own = server(&certificates.path("own.pem"));
    let authority = RtspTrust::File(certificates.authority.clone());
    let elsewhere = RtspCamera {
        url: camera(&signed, RtspTrust::System)
            .url
            .replace("127.0.0.1", "localhost"),
        ..camera(&signed, authority.clone())
    };
    let mut wrong = camera(&own, RtspTrust::Any);
    wrong.login = Some(RtspLogin {
        user: "viewer".into(),
        password: "wrong horse".into(),
    });
    for (camera, wanted) in [
        (camera(&signed, RtspTrust::System), "nobody who is trusted"),
        // GLib names one fault of several, which is not always the same.
        (camera(&own, RtspTrust::System), "certificate is refused"),
        (
            camera(&own, RtspTrust::File(certificates.stranger.clone())),
            "certificate is refused",
        ),
        (camera(&own, authority), "certificate is refused"),
        (elsewhere, "of another name than the address has"),
        (wrong, "user or password is wrong or missing"),
    ] {
        let reason = Watched::start(camera).fails().await;
        assert!(reason.contains(wanted), "{reason:?} and not {wanted:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_without_tls_behind_an_address_with_it_fails() {
    warm().await;
    let plain = Server::start_at(0, &h264("green"), &[]);
    let reason = Watched::start(camera(&plain, RtspTrust::Any)).fails().await;
    assert!(reason.contains("Failed to connect"), "{reason}");
}
