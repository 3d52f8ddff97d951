//! `[camera]`: the kinds of sources, and how cameras of the network are let in to.

use cubelet::config::{CertificateTrust, VideoSource};

use crate::fixture::Fixture;

fn source(fixture: &Fixture, source: &str) -> Result<VideoSource, String> {
    let text = format!("[camera]\nsource = '{source}'\n");
    let outcome = fixture.check_with(&text).outcome;
    outcome
        .map(|config| config.camera.source)
        .map_err(|errors| errors.to_string())
}

#[test]
fn films_are_found_beside_the_file_and_screens_and_libcamera_may_have_names() {
    let fixture = Fixture::new();
    match source(&fixture, "file:film.mp4") {
        Ok(VideoSource::File(path)) => {
            assert!(path.is_absolute() && path.ends_with("film.mp4"), "{path:?}");
        }
        other => panic!("{other:?}"),
    }
    let named = |name: &str| Some(name.to_owned());
    for (text, wanted) in [
        ("screen", VideoSource::Screen(None)),
        ("screen::1", VideoSource::Screen(named(":1"))),
        ("libcamera", VideoSource::Libcamera(None)),
        (
            "libcamera:/base/soc/i2c0mux/imx219@10",
            VideoSource::Libcamera(named("/base/soc/i2c0mux/imx219@10")),
        ),
    ] {
        assert_eq!(source(&fixture, text), Ok(wanted), "{text}");
    }
}

#[test]
fn a_camera_of_the_network_has_a_query_and_no_secret_in_its_address() {
    let fixture = Fixture::new();
    let plain = "rtsp://192.168.1.64:554/cam/realmonitor?channel=1&subtype=0";
    match source(&fixture, plain) {
        Ok(VideoSource::Rtsp(url)) => assert_eq!(url.as_str(), plain),
        other => panic!("{other:?}"),
    }
    for (text, wanted) in [
        ("rtsp://admin:horse@camera/live", "must not contain a user"),
        ("rtsp://admin@camera/live", "must not contain a user"),
        ("rtsp://camera/user=admin&password=horse", "`password`"),
        ("rtsp://camera/live?Token=horse", "`Token`"),
        ("rtsps://admin@camera/live", "must not contain a user"),
        ("rtsp:///live", "without host"),
        ("file:", "must name a film"),
        ("http://camera/live", "is not known; must be `test`"),
    ] {
        let refused = source(&fixture, text).unwrap_err();
        assert!(refused.contains("camera.source: "), "{refused}");
        assert!(refused.contains(wanted), "{refused}");
        assert!(!refused.contains("horse"), "{refused}");
    }
}

#[test]
fn user_and_password_of_cameras_are_apart_and_the_password_is_not_printed() {
    let fixture = Fixture::new();
    fixture.secret("camera", "correct horse\n", 0o600);
    let with = |more: &str| {
        let text = format!("[camera]\nsource = 'rtsp://camera/live'\n{more}\n");
        fixture
            .check_with(&text)
            .outcome
            .map(|config| config.camera)
    };
    let camera =
        with("rtsp_username = 'admin'\nrtsp_password_file = 'camera'\nrtsp_transport = 'udp'");
    let camera = camera.unwrap();
    let (user, password) = camera.rtsp.login.clone().unwrap();
    assert_eq!(
        (user.as_str(), password.unwrap().expose()),
        ("admin", "correct horse")
    );
    assert!(camera.rtsp.udp && !format!("{camera:?}").contains("horse"));
    assert!(!with("").unwrap().rtsp.udp);
    let refused = |more: &str| with(more).unwrap_err().to_string();
    let nobody = refused("rtsp_password_file = 'camera'");
    assert!(
        nobody.contains("camera.rtsp_username: is required"),
        "{nobody}"
    );
    let inline = refused("rtsp_username = 'admin'\nrtsp_password = 'horse'");
    assert!(
        inline.contains("rtsp_password_file") && !inline.contains("horse"),
        "{inline}"
    );
}

#[test]
fn each_camera_of_the_network_may_have_its_own_user_and_certificate() {
    let fixture = Fixture::new();
    fixture.secret("all", "plain horse\n", 0o600);
    fixture.secret("garden", "green horse\n", 0o600);
    fixture.certificate("garden.pem");
    let config = fixture.check_with(
        "[camera]
         source = 'rtsps://garden.lan/live'
         others = ['rtsp://garden.lan:8554/low', 'rtsp://[::1]/a', 'rtsps://gate.lan/live']
         rtsp_username = 'admin'
         rtsp_password_file = 'all'
         rtsp_transport = 'udp'
         [[camera.network]]
         host = 'Garden.lan'
         username = 'door'
         password_file = 'garden'
         certificate = 'garden.pem'
         [[camera.network]]
         host = 'garden.lan:8554'
         transport = 'tcp'
         [[camera.network]]
         host = 'gate.lan'
         certificate_check = 'none'
         ",
    );
    let camera = config.outcome.unwrap().camera;
    let access = |text: &str| {
        let access = camera.access(&text.parse().unwrap());
        let login = access.login.map(|(user, password)| {
            let password = password.as_ref().unwrap().expose().to_owned();
            (user.clone(), password)
        });
        (login, access.udp, access.trust)
    };
    let login = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
    let own = CertificateTrust::File(fixture.path().join("garden.pem"));
    let cases = [
        // Pictures of `rtsps:` never go in clear.
        (
            "rtsps://garden.lan/live",
            (login("door", "green horse"), false, own),
        ),
        (
            "rtsp://garden.lan:8554/low",
            (None, false, CertificateTrust::System),
        ),
        (
            "rtsp://[::1]/a",
            (
                login("admin", "plain horse"),
                true,
                CertificateTrust::System,
            ),
        ),
        (
            "rtsps://gate.lan/live",
            (None, false, CertificateTrust::Any),
        ),
    ];
    for (url, wanted) in cases {
        assert_eq!(access(url), wanted, "{url}");
    }
    assert!(!format!("{camera:?}").contains("horse"));
}

#[test]
fn a_section_of_a_camera_of_the_network_that_cannot_hold_is_refused() {
    let fixture = Fixture::new();
    fixture.secret("garden", "green horse\n", 0o600);
    fixture.secret("no-certificate", "green horse\n", 0o600);
    let refused = |source: &str, more: &str| {
        let text = format!("[camera]\nsource = '{source}'\n[[camera.network]]\n{more}\n");
        fixture.check_with(&text).outcome.unwrap_err().to_string()
    };
    let (plain, secure) = ("rtsp://garden.lan/live", "rtsps://garden.lan/live");
    for (source, more, wanted) in [
        (plain, "username = 'door'", "host: is required"),
        (plain, "host = 'gate.lan'", "is the host of no `rtsp:`"),
        (
            plain,
            "host = 'garden.lan:8554'",
            "is the host of no `rtsp:`",
        ),
        (plain, "host = 'garden.lan/live'", "must be a host"),
        (plain, "host = 'admin@garden.lan'", "must be a host"),
        (
            plain,
            "host = 'garden.lan'\npassword_file = 'garden'",
            "username: is required",
        ),
        (
            plain,
            "host = 'garden.lan'\nusername = 'a'\npassword = 'horse'",
            "password_file",
        ),
        (
            plain,
            "host = 'garden.lan'\ncertificate_check = 'none'",
            "no use without `rtsps:`",
        ),
        (
            secure,
            "host = 'garden.lan'\ntransport = 'udp'",
            "in its connection alone",
        ),
        (
            secure,
            "host = 'garden.lan'\ncertificate = 'no-certificate'",
            "no PEM certificate",
        ),
        (
            plain,
            "host = 'garden.lan'\n[[camera.network]]\nhost = 'garden.lan'",
            "has a section of its own already",
        ),
    ] {
        let refused = refused(source, more);
        assert!(refused.contains(wanted), "{more}: {refused}");
        assert!(!refused.contains("horse"), "{refused}");
    }
}
