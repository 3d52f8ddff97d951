//! What a receiver decrypts: `{"data": {"title": …, "message": …, …}}`, as the vendor's web clients
//! read it. No IO.

use std::borrow::Cow;

use serde_json::{Map, Value as Json, json};

use super::encryption::MAX_TEXT;
use super::template;

/// Seconds a call is worth waking somebody for if the sender does not say: phones ring no longer.
const CALL_LIFE: i64 = 60;
/// Keys for other channels (PN-14).
const FOREIGN: &str = "ios_";
const FOREIGN_ANDROID: &str = "android_fcm_notification";

/// A key of our own: not to those who look at what the chat brings them. A device that rings cannot
/// know who does; other servers pass it on, and nobody minds.
const UNLESS_ATTENDED: &str = "cubelet_unless_attended";

/// An application's universal message, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Universal {
    /// The text for Web Push.
    pub payload: String,
    /// Whether somebody waits for it now: a call (`ios_voip`).
    pub is_urgent: bool,
    /// When it ends.
    pub expires_at: i64,
    /// Whether it is not for those who look at what the chat brings them.
    pub is_for_unattended: bool,
}

/// Why a message cannot be sent: the rule it breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// It has no text to show, nor anything else.
    #[error("holds nothing")]
    Empty,
    /// Web Push carries no more.
    #[error("is longer than {MAX_TEXT} bytes as it would be sent")]
    TooLong,
    /// `expiration` is over or no number.
    #[error("expiration must be seconds since 1970, and not past")]
    Expired,
}

/// Reads the text of an event: a JSON object with universal keys, or a plain text. `life` is how
/// long it is worth something if it does not say (seconds).
///
/// # Errors
/// [`PayloadError`].
pub fn universal(text: &str, life: i64, now: i64) -> Result<Universal, PayloadError> {
    let mut keys = match serde_json::from_str(text) {
        Ok(Json::Object(keys)) => keys,
        _ => Map::from_iter([("message".to_owned(), json!(text))]),
    };
    let number = |value: &Json| match value {
        Json::String(text) => text.trim().parse().ok(),
        value => value.as_i64(),
    };
    let is_urgent = keys.get("ios_voip").and_then(number) == Some(1);
    let unless_attended = keys.remove(UNLESS_ATTENDED);
    let is_for_unattended = unless_attended.as_ref().and_then(number) == Some(1);
    let life = if is_urgent { CALL_LIFE } else { life };
    let expires_at = match keys.remove("expiration") {
        None | Some(Json::Null) => now + life,
        Some(value) => number(&value)
            .filter(|end| *end > now)
            .ok_or(PayloadError::Expired)?,
    };
    keys.retain(|name, _| !name.starts_with(FOREIGN) && name != FOREIGN_ANDROID);
    let is_blank = |value: &Json| value.is_null() || value.as_str() == Some("");
    if keys.values().all(is_blank) {
        return Err(PayloadError::Empty);
    }
    let payload = json!({"data": keys}).to_string();
    if payload.len() > MAX_TEXT {
        return Err(PayloadError::TooLong);
    }
    Ok(Universal {
        payload,
        is_urgent,
        expires_at,
        is_for_unattended,
    })
}

/// A chat message as a notification tells of it.
#[derive(Clone, Copy, Debug)]
pub struct Alert<'a> {
    /// The sender's name.
    pub sender: &'a str,
    /// Its text; what stands for it if it has none.
    pub message: &'a str,
    /// The dialog's name, the sender's in a private one.
    pub dialog_name: &'a str,
    /// The dialog.
    pub dialog: &'a str,
    /// The message's id.
    pub id: &'a str,
    /// The sender.
    pub user: u64,
}

/// The text for Web Push, by the site's templates. Long texts are cut.
pub fn alert(alert: &Alert<'_>, title: &str, message: &str) -> String {
    // What does not fit with much of each text fits with less of it, since templates are short.
    let mut shown = MAX_SHOWN;
    loop {
        let told = told(alert, title, message, shown);
        if told.len() <= MAX_TEXT || shown == 0 {
            return told;
        }
        shown /= 2;
    }
}

/// Characters of a text that a notification shows: more than any screen does.
const MAX_SHOWN: usize = 200;

fn told(alert: &Alert<'_>, title: &str, message: &str, shown: usize) -> String {
    let fill = |template: &str| {
        template::fill(template, |name| match name {
            "sender" => Some(cut(alert.sender, shown)),
            "dialog" => Some(cut(alert.dialog_name, shown)),
            "message" => Some(cut(alert.message, shown)),
            _ => None,
        })
    };
    let data = json!({
        "title": fill(title),
        "message": fill(message),
        "dialog_id": alert.dialog,
        "message_id": alert.id,
        "user_id": alert.user,
    });
    json!({ "data": data }).to_string()
}

fn cut(text: &str, shown: usize) -> Cow<'_, str> {
    match text.char_indices().nth(shown) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(text: &str) -> Json {
        let sent = universal(text, 100, 0).unwrap();
        serde_json::from_str(&sent.payload).unwrap()
    }

    #[test]
    fn custom_keys_go_along_and_those_of_other_channels_do_not() {
        let text = r#"{"message": "Walking", "ios_badge": 2, "ios_sound": "s", "friend_id": 51,
            "ios_loc_data": {"title_loc_key": "G"}, "android_fcm_notification": {"icon": "i"},
            "title": "Garden", "photo": "p"}"#;
        assert_eq!(
            data(text),
            json!({"data": {
                "message": "Walking", "friend_id": 51, "title": "Garden", "photo": "p"
            }})
        );
        assert_eq!(
            data("plain text"),
            json!({"data": {"message": "plain text"}})
        );
        assert_eq!(data("[1]"), json!({"data": {"message": "[1]"}}));
    }

    #[test]
    fn a_call_is_urgent_and_worth_no_more_than_its_ringing() {
        let call = universal(r#"{"message": "m", "ios_voip": 1}"#, 9_999, 1_000).unwrap();
        assert_eq!((call.is_urgent, call.expires_at), (true, 1_000 + CALL_LIFE));
        let chat = universal(r#"{"message": "m"}"#, 9_999, 1_000).unwrap();
        assert_eq!((chat.is_urgent, chat.expires_at), (false, 10_999));
    }

    #[test]
    fn what_is_only_for_those_who_do_not_look_says_so_to_the_hub_alone() {
        let text = r#"{"message": "m", "cubelet_unless_attended": 1}"#;
        assert!(universal(text, 1, 0).unwrap().is_for_unattended);
        assert_eq!(data(text), json!({"data": {"message": "m"}}));
        assert!(!universal("m", 1, 0).unwrap().is_for_unattended);
    }

    #[test]
    fn an_expiration_is_kept_and_a_past_one_refused() {
        let with = |value: &str| {
            let text = format!(r#"{{"message": "m", "ios_voip": "1", "expiration": {value}}}"#);
            universal(&text, 1, 1_000).map(|sent| sent.expires_at)
        };
        assert_eq!(with("1500"), Ok(1_500));
        assert_eq!(with("\"1500\""), Ok(1_500));
        assert_eq!(with("1000"), Err(PayloadError::Expired));
        assert_eq!(with("\"soon\""), Err(PayloadError::Expired));
    }

    #[test]
    fn nothing_and_too_much_are_refused() {
        let read = |text: &str| universal(text, 1, 0).map(|_| ());
        for nothing in ["", "{}", r#"{"ios_badge": 1}"#, r#"{"message": ""}"#] {
            assert_eq!(read(nothing), Err(PayloadError::Empty), "{nothing}");
        }
        assert_eq!(read(&"x".repeat(MAX_TEXT)), Err(PayloadError::TooLong));
    }

    proptest::proptest! {
        #[test]
        fn an_alert_fits_and_is_json_whatever_people_write(
            sender in "(?s).{0,400}", message in "(?s).{0,3000}", dialog in "(?s).{0,400}",
            title in "(\\{(sender|dialog|message)\\}){0,20}",
        ) {
            let told = alert(
                &Alert {
                    sender: &sender,
                    message: &message,
                    dialog_name: &dialog,
                    dialog: "66f0aa000102030405000001",
                    id: "m",
                    user: 7,
                },
                &title,
                "{message}",
            );
            proptest::prop_assert!(told.len() <= MAX_TEXT, "{}", told.len());
            let read: Json = serde_json::from_str(&told).unwrap();
            let shown = read["data"]["message"].as_str().unwrap();
            let kept = shown.strip_suffix('…').unwrap_or(shown);
            proptest::prop_assert!(message.starts_with(kept));
        }
    }
}
