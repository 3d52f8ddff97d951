//! Which certificates a camera of the network may show. The check itself is GLib's; cameras make
//! their certificates themselves, with names and dates that mean nothing, so that one that is known
//! by its bytes is good whatever GLib has against it.

use std::path::PathBuf;
use std::sync::Arc;

use gio::prelude::*;
use gio::{TlsBackend, TlsCertificate, TlsCertificateFlags, TlsDatabase, TlsFileDatabase};
use gstreamer as gst;
use gstreamer::glib;

use super::rtsp::Diagnosis;
use crate::base::tls::read_certificates;

/// GLib's TLS is a module beside it.
const PACKAGE: &str = "glib-networking";

/// Which certificates of a camera are good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RtspTrust {
    /// Those the system's authorities signed for the camera's name.
    #[default]
    System,
    /// Those in this PEM file, whatever name and dates they have, and those they signed for the
    /// camera's name.
    File(PathBuf),
    /// Any.
    Any,
}

/// Has `rtspsrc` refuse what is not trusted, and say why.
pub(super) fn check_certificates(
    source: &gst::Element,
    trust: &RtspTrust,
    diagnosis: &Diagnosis,
) -> Result<(), String> {
    if !TlsBackend::default().supports_tls() {
        return Err(format!("`rtsps:` needs GLib's TLS: {PACKAGE}"));
    }
    let known = match trust {
        RtspTrust::Any => {
            source.set_property("tls-validation-flags", TlsCertificateFlags::empty());
            return Ok(());
        }
        RtspTrust::System => Vec::new(),
        RtspTrust::File(file) => {
            let authorities = TlsFileDatabase::new(file)
                .map_err(|error| format!("{}: {error}", file.display()))?;
            source.set_property("tls-database", authorities.upcast::<TlsDatabase>());
            read_certificates(file).map_err(|error| error.to_string())?
        }
    };
    let diagnosis = Arc::clone(diagnosis);
    // Asked only where GLib has something against the certificate.
    source.connect("accept-certificate", false, move |arguments| {
        let shown = arguments.get(2)?.get::<TlsCertificate>().ok()?;
        let faults = arguments.get(3)?.get::<TlsCertificateFlags>().ok()?;
        let bytes = shown.property::<Option<glib::ByteArray>>("certificate");
        let is_known = bytes.is_some_and(|bytes| known.iter().any(|one| **one == *bytes));
        if !is_known {
            *diagnosis.lock() = Some(refusal(faults));
        }
        Some(is_known.to_value())
    });
    Ok(())
}

/// The weightiest of what is wrong.
fn refusal(faults: TlsCertificateFlags) -> String {
    let fault = [
        (TlsCertificateFlags::REVOKED, "it was revoked"),
        (
            TlsCertificateFlags::UNKNOWN_CA,
            "nobody who is trusted signed it",
        ),
        (
            TlsCertificateFlags::BAD_IDENTITY,
            "it is of another name than the address has",
        ),
        (TlsCertificateFlags::EXPIRED, "it has expired"),
        (TlsCertificateFlags::NOT_ACTIVATED, "it is not valid yet"),
        (
            TlsCertificateFlags::INSECURE,
            "its signature is of a kind that can be forged",
        ),
    ]
    .into_iter()
    .find(|(flag, _)| faults.contains(*flag));
    let fault = fault.map_or("it is damaged", |(_, words)| words);
    format!("the camera's certificate is refused: {fault}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_faults_of_a_certificate_the_weightiest_is_named() {
        let both = TlsCertificateFlags::UNKNOWN_CA | TlsCertificateFlags::EXPIRED;
        assert!(refusal(both).ends_with("nobody who is trusted signed it"));
        assert!(refusal(TlsCertificateFlags::EXPIRED).ends_with("it has expired"));
        assert!(refusal(TlsCertificateFlags::GENERIC_ERROR).ends_with("it is damaged"));
    }
}
