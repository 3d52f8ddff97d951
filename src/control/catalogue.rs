//! What every command does and what its reply tells, in words: the manual and the AsyncAPI
//! document take them from here, beside the fields, which come from the types.

use Where::{Here, Hub, Local, Queued};

/// Where a command is carried out, as far as that decides when it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    /// On the device, at once.
    Here,
    /// Out of the device's own records, without a network.
    Local,
    /// On the disk when it is answered; reaches the hub once there is a connection.
    Queued,
    /// By the hub, which is asked.
    Hub,
}

impl Where {
    /// The mark in the manual; none where nothing is to be said.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::Here | Self::Hub => "",
            Self::Local => "*local*",
            Self::Queued => "*queued*",
        }
    }
}

/// A command.
pub(super) struct Described {
    pub(super) verb: &'static str,
    pub(super) place: Where,
    /// What it does.
    pub(super) does: &'static str,
    /// What its reply has beside `id` and `ok`; empty if nothing.
    pub(super) reply: &'static str,
}

impl Described {
    /// What it does, with the mark before it.
    pub(super) fn words(&self) -> String {
        match self.place.mark() {
            "" => self.does.to_owned(),
            mark => format!("{mark}: {}", self.does),
        }
    }
}

/// The words of a verb; none if there is no such verb.
pub(super) fn described(verb: &str) -> Option<&'static Described> {
    COMMANDS.iter().find(|one| one.verb == verb)
}

const fn command(
    verb: &'static str,
    place: Where,
    does: &'static str,
    reply: &'static str,
) -> Described {
    Described {
        verb,
        place,
        does,
        reply,
    }
}

#[rustfmt::skip] // One command a line, like the table they become.
const COMMANDS: &[Described] = &[
    command("ring", Here, "rings as `[calls]` plans, or these. While it rings already nothing begins anew", "`ring`, `calls`; `repeated` or `waiting` if so"),
    command("call", Here, "calls one user", "`call`"),
    command("answer", Here, "takes the ringing call; lets in whoever knocks", "`call`"),
    command("reject", Here, "declines the ringing call", "`call`"),
    command("hangup", Here, "ends the call, ringing or talking", ""),
    command("conference", Here, "begins one call of up to four people, everybody with everybody", "`call`"),
    command("invite", Here, "calls one more into the call, if this device started it and fewer than four are in", "`call`, `user`"),
    command("mute", Here, "stops or begins sending, or hearing and seeing", "`call`, `muted`, `held`, `limit_kbps`"),
    command("hold", Here, "holds the call: nothing is sent, heard or seen until `resume`; devices are told, phones of the vendor do not listen", "`call`, `muted`, `held`, `limit_kbps`"),
    command("resume", Here, "goes on with a held call", "`call`, `muted`, `held`, `limit_kbps`"),
    command("bandwidth", Here, "limits the pictures sent to each participant", "`call`, `muted`, `held`, `limit_kbps`"),
    command("tell", Here, "tells everybody in the call (`update`); devices show it as `call/told`, phones ignore it", "`call`, `muted`, `held`, `limit_kbps`"),
    command("digits", Here, "presses keys of a telephone for everybody in the call, or one of them, 100 ms each; `wrong_state` where nobody there takes them", "`call`, `users`: who gets them"),
    command("reconnect", Here, "renews the path of the call, as after a change of network", "`call`"),
    command("unlock", Here, "opens the door", ""),
    command("snapshot", Here, "takes a picture, published on `camera/main/snapshot` before the reply", "`topic`, `bytes`"),
    command("press", Here, "presses the bell button", ""),
    command("stop_ringing", Here, "stops the bell: all phones end with `cancelled`", "`ring`"),
    command("dnd", Here, "calls do not ring here, or the bell does not ring that user; kept over a restart", "`on`, `until`, `user`"),
    command("ring_target", Here, "sets whether the bell rings somebody at all; kept over a restart", "`user`, `enabled`"),
    command("auto_answer", Here, "sets whether calls are answered by themselves as configured; kept over a restart", "`on`"),
    command("calls", Local, "calls that are over, newest first", "`calls`: as the event `call/record`"),
    command("door_log", Local, "attempts to open the door, newest first", "`attempts`: `at`, `by`, `how`, `call`, `opened`, `reason`"),
    command("visitor_message", Here, "begins, ends or calls off a visitor's message", "`visitor_message`"),
    command("say", Here, "announces by the loudspeaker, also in a call, or with `target` to those in the call (`wrong_state` without one); exactly one of `sound` (`tone` or a file of `[say] sounds`), `text` (read out by `espeak-ng`, `unavailable` where that is not installed) and `stop`; `announcement/…` tells when it is heard", "`announcement`; of `stop`: `stopped`, how many"),
    command("talk", Here, "with `[audio] duplex = \"push_to_talk\"`: somebody here talks in the call, or nobody any more; ends by itself after `[audio] talk_max_s` and with the call. `wrong_state` without a call", "`talking`, `most_s`"),
    command("levels", Here, "how loud it was in the last second, in dBFS; opens no microphone", "`microphone`: `rms_dbfs`, `peak_dbfs`, or null while it is closed or muted; `participants`: `user`, `level` of everybody else in the call"),
    command("record", Here, "begins or ends a recording; `wrong_state` while one runs, or none", "`recording`: its id; with `start` `files`"),
    command("recordings", Local, "the files there are, newest first", "`recordings`: `file`, `began` (Unix ms), `duration_s`, `bytes`, `unfinished`"),
    command("send", Queued, "sends a message", "`message`"),
    command("send_status", Local, "what became of an own message", "`status`: `queued`, `sent`, `delivered`, `read`, `refused`; `reason`, `delivered_to`, `read_by`"),
    command("edit", Queued, "another text for an own message", "`message`"),
    command("remove", Hub, "takes a message back, for this user or for everybody (own ones *queued*)", "`message`"),
    command("react", Hub, "adds, removes or swaps a reaction to a message", "`message`"),
    command("typing", Hub, "tells that somebody types, if online", ""),
    command("mark_read", Hub, "marks messages as read and tells their authors", "`marked`"),
    command("unread", Local, "how many messages are unread", "`total`, `dialogs`"),
    command("history", Local, "a page of messages, newest first", "`messages`; `next`, which is `before` of the next page"),
    command("search", Local, "messages with all these words or beginnings of words", "`messages`"),
    command("dialogs", Local, "dialogs, latest first", "`dialogs`"),
    command("dialog_create", Hub, "creates a dialog", "`dialog`, `details`"),
    command("dialog_update", Hub, "changes a dialog", "`dialog`, `details`"),
    command("dialog_leave", Hub, "leaves a group, unsubscribes from a public dialog", "`dialog`"),
    command("dialog_delete", Hub, "deletes a dialog", "`dialog`"),
    command("dialog_clear", Hub, "deletes the messages of a dialog", "`dialog`"),
    command("dialog_subscribe", Hub, "subscribes to a public dialog", "`dialog`, `details`"),
    command("dialog_occupants", Hub, "who is in a dialog", "`users`"),
    command("dialog_notifications", Hub, "whether messages of a dialog are pushed to this user", "`enabled`"),
    command("send_system", Hub, "sends a system message, if online", "`message`"),
    command("last_activity", Hub, "when somebody was last active; begins or ends `chat/activity`", "`user`, `seconds`, `online`"),
    command("users", Hub, "looks users up", "`users`"),
    command("block", Hub, "keeps a user away: no messages, calls or presence of that user any more, also in rooms; `mutual` keeps ours from the user, too", "`user`, `mutual`"),
    command("unblock", Hub, "lets a user in again", "`user`, `was_blocked`"),
    command("blocked", Hub, "who is kept away", "`users`: `user`, `mutual`"),
    command("profile_update", Hub, "changes the profile of the device's own user; an empty text takes away what is there", "`user`"),
    command("report_user", Hub, "files a record of the application's class `UserReports`", "`report`: its id"),
    command("report_message", Hub, "files a record of the application's class `MessageReports`", "`report`"),
    command("record_create", Hub, "creates a record of a class of custom objects; `not_found` without such a class, `invalid_payload` naming a field that the class does not take", "`record`: with `_id`, `_parent_id`, `user_id`, `created_at`, `updated_at`, `permissions` and its fields"),
    command("records", Hub, "lists records that the device may read, in order of creation unless sorted", "`records`: as of `record_create`, without `permissions`"),
    command("record_update", Hub, "changes a record: sets fields, carries out update operators, all or nothing", "`record`; without fields where it may be changed and not read"),
    command("record_delete", Hub, "deletes records, with all that belong to them", "`deleted`, `forbidden`, `missing`: ids. A single one that cannot be deleted is an error"),
    command("push", Hub, "sends a push notification to people, wherever they are; `not_found` where none of them has subscribed. The server delivers: a cubelet hub by Web Push", "`event`: its number"),
    command("download", Hub, "fetches an attachment into `[attachments] save_to`", "`file`, `bytes`"),
    command("control_log", Local, "orders that were refused, and those carried out that matter to security, newest first", "`entries`: `at`, `requester`, `way`, `topic`, `request` (its id), `outcome` (`ok`, an error code, `retained`), `reason`"),
    command("reload", Here, "reads the configuration again and takes its rules; a file with mistakes changes nothing (`wrong_state`)", "`rules`: how many; `restart_for`: sections that differ and need a restart"),
    command("logs", Here, "the last lines of the log, kept in memory, each cut at 400 characters; passwords and keys are never among them", "`lines`"),
    command("log_detail", Here, "logs calls more closely for a while: signals, candidates, connections, what WebRTC itself says; over a restart it is as usual again", "`detail`, `until`: Unix milliseconds"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::device::VERBS;

    #[test]
    fn every_command_is_described_once_and_nothing_else_is() {
        let described: Vec<&str> = COMMANDS.iter().map(|one| one.verb).collect();
        assert_eq!(described, VERBS);
        for one in COMMANDS {
            assert!(!one.does.is_empty(), "{}", one.verb);
        }
    }
}
