use super::*;

const MINIMAL: &str = "data_dir = '/var/lib/cubelet-hub'\napp_id = 7\nauth_key = 'key'\n";

#[test]
fn three_fields_suffice() {
    let config: HubConfig = toml::from_str(MINIMAL).unwrap();
    assert_eq!(config.faults(), Vec::<String>::new());
    assert_eq!(config.chat_host(), "localhost");
    assert!(!config.auto_create_users);
}

#[test]
fn the_annotated_example_is_valid_and_shows_the_defaults() {
    let example = include_str!("../../configs/hub.toml");
    let config: HubConfig = toml::from_str(example).unwrap();
    assert_eq!(config.faults(), Vec::<String>::new());
    let defaults: HubConfig = toml::from_str(MINIMAL).unwrap();
    assert_eq!(
        format!("{:?}", config.limits),
        format!("{:?}", defaults.limits)
    );
    assert_eq!(
        format!("{:?}", config.listen),
        format!("{:?}", defaults.listen)
    );
    assert_eq!(
        format!("{:?}", config.files),
        format!("{:?}", defaults.files)
    );
    assert_eq!(format!("{:?}", config.data), format!("{:?}", defaults.data));
    assert_eq!(format!("{:?}", config.push), format!("{:?}", defaults.push));
    assert_eq!(config.directory, defaults.directory);
    assert_eq!(config.list_users_v1, defaults.list_users_v1);
    assert_eq!(format!("{:?}", config.chat), format!("{:?}", defaults.chat));
    assert_eq!(config.announce, defaults.announce);
    assert_eq!(config.names, defaults.names);
    assert_eq!(config.auto_create_users, defaults.auto_create_users);
}

#[test]
fn all_broken_rules_are_told_at_once() {
    let text = format!(
        "{MINIMAL}names = ['muc.example']\n[listen]\nhttp = '0.0.0.0:80'\n[limits]\nconnections = 0"
    );
    let config: HubConfig = toml::from_str(&text).unwrap();
    let faults = config.faults().join("\n");
    for field in ["chat_host", "listen.http", "limits.connections"] {
        assert!(faults.contains(field), "{field} is missing in {faults}");
    }
}

#[test]
fn dialog_extensions_are_three_plain_names_at_most() {
    let with = |names: &str| -> Vec<String> {
        let text = format!("{MINIMAL}[chat]\ndialog_extensions = {names}");
        toml::from_str::<HubConfig>(&text).unwrap().faults()
    };
    assert_eq!(with("['site', 'floor_2']"), Vec::<String>::new());
    for bad in ["['a', 'b', 'c', 'd']", "['a b']", "['']", "[\"x') OR 1\"]"] {
        let faults = with(bad).join("\n");
        assert!(faults.contains("chat.dialog_extensions"), "{bad}: {faults}");
    }
}

#[test]
fn a_misspelt_field_is_refused_and_keys_never_show() {
    let error = toml::from_str::<HubConfig>(&format!("{MINIMAL}app_idd = 1")).unwrap_err();
    assert!(error.to_string().contains("app_idd"));
    let config: HubConfig = toml::from_str(MINIMAL).unwrap();
    assert!(!format!("{config:?}").contains("\"key\""));
}

#[test]
fn an_admin_key_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("admin.key");
    std::fs::write(&key, "0123456789abcdef").unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let file = folder.path().join("hub.toml");
    let text = MINIMAL.replace("app_id", &format!("admin_key_file = {key:?}\napp_id"));
    std::fs::write(&file, text).unwrap();
    let error = HubConfig::load(&file).unwrap_err().to_string();
    assert!(error.contains("chmod 600"), "{error}");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(HubConfig::load(&file).unwrap().admin_key.is_some());
}

// The certificate is made by what the hub makes its own with.
#[cfg(feature = "hub")]
#[test]
fn the_authorities_of_push_services_are_read_beside_the_file_that_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hub.toml");
    std::fs::write(&file, format!("{MINIMAL}[push]\nca_file = 'site.pem'\n")).unwrap();
    let error = HubConfig::load(&file).unwrap_err().to_string();
    assert!(error.contains("push.ca_file"), "{error}");
    let authority = rcgen::generate_simple_self_signed(vec!["ntfy.home".to_owned()]).unwrap();
    let pem = folder.path().join("site.pem");
    std::fs::write(&pem, authority.cert.pem()).unwrap();
    assert_eq!(HubConfig::load(&file).unwrap().push.ca_file, Some(pem));
}
