//! Who is recorded is told so: here by a tone, at the other side of the call by a message and by a
//! parameter their application can show.

use std::collections::BTreeMap;

use super::super::calls::{InCall, Operation};
use super::super::chat_command::Draft;
use super::super::command::UserRef;
use super::super::dispatch::LIMIT;
use super::super::messages;
use super::super::wiring::Wiring;
use crate::config::RecordingNotice;
use crate::media::announcement::{Announcement, Tone};
use crate::protocol::address::UserId;

/// The parameter of the `update` signal; its values are `started` and `ended`.
const PARAMETER: &str = "recording";

/// Tells that a recording begins. `people` are in the call, if there is one.
pub(super) fn tell(wiring: &Wiring, people: Vec<UserId>) {
    let notice = wiring.config.recording.notice;
    if matches!(notice, RecordingNotice::Tone | RecordingNotice::Both) {
        play(wiring);
    }
    if matches!(notice, RecordingNotice::Message | RecordingNotice::Both) && !people.is_empty() {
        mark(wiring, "started");
        for user in people {
            write(wiring, user);
        }
    }
}

/// Tells those in the call that it is over.
pub(super) fn end(wiring: &Wiring) {
    if matches!(
        wiring.config.recording.notice,
        RecordingNotice::Message | RecordingNotice::Both
    ) {
        mark(wiring, "ended");
    }
}

fn play(wiring: &Wiring) {
    let (playback, done) = Announcement::Tone(Tone::Notice).play(&[&wiring.loudspeaker]);
    actix::spawn(async move {
        match done.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "no tone told of the recording"),
            Err(_) => tracing::warn!("no thread plays the tone"),
        }
        drop(playback);
    });
}

fn mark(wiring: &Wiring, value: &str) {
    let info = BTreeMap::from([(PARAMETER.to_owned(), value.to_owned())]);
    let calls = wiring.slots.calls.clone();
    actix::spawn(async move {
        let told = calls.ask(InCall(Operation::Tell(info)), LIMIT).await;
        if let Ok(Err(error)) = told {
            tracing::warn!(%error, "the call is not told of the recording");
        }
    });
}

fn write(wiring: &Wiring, user: UserId) {
    let draft = Draft {
        to: Some(UserRef::Id(user)),
        text: "This call is being recorded.".to_owned(),
        ..Draft::default()
    };
    let wiring = wiring.clone();
    actix::spawn(async move {
        if let Err(error) = messages::send(&wiring, draft).await {
            tracing::warn!(%error, user, "who is recorded is not told by message");
        }
    });
}
