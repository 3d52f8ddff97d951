//! What each kind of event is called in topics.

use super::{AnnouncementPhase, CallPhase, EventKind, RecordingPhase, RingPhase, VisitorPhase};

impl EventKind {
    /// The topic after `event/`.
    pub fn topic(&self) -> &'static str {
        match self {
            Self::Call {
                phase: CallPhase::Ringing,
                ..
            } => "call/ringing",
            Self::Call {
                phase: CallPhase::Answered,
                ..
            } => "call/answered",
            Self::Call {
                phase: CallPhase::Connected,
                ..
            } => "call/connected",
            Self::Call {
                phase: CallPhase::FirstFrame,
                ..
            } => "call/first_frame",
            Self::Call {
                phase: CallPhase::FirstAudio,
                ..
            } => "call/first_audio",
            Self::Call {
                phase: CallPhase::Ended,
                ..
            } => "call/ended",
            Self::CallRefused { .. } => "call/refused",
            Self::CallAutoAnswer { .. } => "call/auto_answer",
            Self::CallTone { .. } => "call/tone",
            Self::CallPreview { .. } => "call/preview",
            Self::CallRecord(_) => "call/record",
            Self::Ring { phase, .. } => match phase {
                RingPhase::Started => "ring/started",
                RingPhase::Waiting => "ring/waiting",
                RingPhase::Step => "ring/step",
                RingPhase::Joined => "ring/joined",
                RingPhase::Skipped => "ring/skipped",
                RingPhase::Offline => "ring/offline",
                RingPhase::Repeated => "ring/repeated",
                RingPhase::Answered => "ring/answered",
                RingPhase::Unanswered => "ring/unanswered",
                RingPhase::Stopped => "ring/stopped",
            },
            Self::CallParticipant { .. } => "call/participant",
            Self::CallTold { .. } => "call/told",
            Self::CallDigit { .. } => "call/digit",
            Self::ChatMessage { .. } => "chat/message",
            Self::ChatEdited { .. } => "chat/edited",
            Self::ChatRemoved { .. } => "chat/removed",
            Self::ChatReaction { .. } => "chat/reaction",
            Self::ChatDestroyed { .. } => "chat/destroyed",
            Self::ChatTyping { .. } => "chat/typing",
            Self::ChatSystem { .. } => "chat/system",
            Self::ChatDialog { .. } => "chat/dialog",
            Self::ChatUpload { .. } => "chat/upload",
            Self::ChatSaved { .. } => "chat/saved",
            Self::ChatActivity { .. } => "chat/activity",
            Self::ChatMarker { .. } => "chat/marker",
            Self::ChatSent { .. } => "chat/sent",
            Self::ChatRefused { .. } => "chat/refused",
            Self::ChatCommand { .. } => "chat/command",
            Self::DoorUnlocked { .. } => "door/unlocked",
            Self::DoorRefused { .. } => "door/refused",
            Self::VisitorMessage { phase, .. } => match phase {
                VisitorPhase::Started => "visitor_message/started",
                VisitorPhase::Recording => "visitor_message/recording",
                VisitorPhase::Stored => "visitor_message/stored",
                VisitorPhase::Sent => "visitor_message/sent",
                VisitorPhase::Failed => "visitor_message/failed",
                VisitorPhase::Cancelled => "visitor_message/cancelled",
            },
            Self::Announcement { phase, .. } => match phase {
                AnnouncementPhase::Started => "announcement/started",
                AnnouncementPhase::Ended => "announcement/ended",
                AnnouncementPhase::Failed => "announcement/failed",
            },
            Self::Recording { phase, .. } => match phase {
                RecordingPhase::Started => "recording/started",
                RecordingPhase::Finished => "recording/finished",
                RecordingPhase::Failed => "recording/failed",
            },
            Self::ButtonPressed { .. } => "button/pressed",
            Self::ButtonReleased { .. } => "button/released",
            Self::ControlRefused { .. } => "control/refused",
            Self::RuleFired { .. } => "rule/fired",
            Self::ActorRestarted { .. } => "health/restarted",
        }
    }
}
