//! `[camera]`: the kinds of sources, and how cameras of the network are let in to.

use cubelet::config::VideoSource;

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
        ("rtsps://camera/live", "rtsps is not spoken"),
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
