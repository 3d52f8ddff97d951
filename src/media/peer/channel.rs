//! The data channel on which the far side orders: text in, text out. Any other channel is closed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use webrtc::data_channel::{DataChannel, DataChannelEvent};

use super::settings::PeerEvent;
use super::shared::Shared;

/// The name by which both sides know it.
pub(super) const LABEL: &str = "cubelet.control";
/// Bytes of a message; a longer one is thrown away.
const MESSAGE_MAX: usize = 4_096;
/// Messages taken a second; what comes beyond it is thrown away, and the far side's problem.
const PER_SECOND: u32 = 20;
/// Messages waiting to be sent; beyond it the newest is thrown away.
pub(super) const WAITING_MAX: usize = 16;

/// Serves one channel until it closes, or the peer ends.
pub(super) async fn serve(channel: Arc<dyn DataChannel>, shared: Arc<Shared>) {
    // An error means that the connection is gone.
    let Ok(label) = channel.label().await else {
        return;
    };
    if label != LABEL {
        tracing::info!(label, "a data channel of no use here is closed");
        // It is as good as closed if the connection is gone.
        let _ = channel.close().await;
        return;
    }
    let (says, mut saying) = mpsc::channel(WAITING_MAX);
    // A far side that opens it again means the new one.
    shared.set_channel(says);
    let mut taken = Taken::default();
    loop {
        tokio::select! {
            event = channel.poll() => match event {
                Some(DataChannelEvent::OnOpen) => shared.tell(PeerEvent::ChannelOpen),
                Some(DataChannelEvent::OnMessage(message)) => {
                    let is_taken = message.is_string
                        && message.data.len() <= MESSAGE_MAX
                        && taken.has_room(Instant::now());
                    match String::from_utf8(message.data.to_vec()) {
                        Ok(text) if is_taken => shared.tell(PeerEvent::ChannelText(text)),
                        _ => tracing::debug!("a message on the data channel is thrown away"),
                    }
                }
                Some(DataChannelEvent::OnClose) | None => return,
                Some(_) => {}
            },
            text = saying.recv() => {
                // Replaced by a newer channel.
                let Some(text) = text else { return };
                if let Err(error) = channel.send_text(&text).await {
                    tracing::info!(%error, "nothing can be said on the data channel");
                    return;
                }
            }
        }
    }
}

/// How many messages were taken in this second; also of telephone keys.
#[derive(Default)]
pub(super) struct Taken {
    since: Option<Instant>,
    count: u32,
}

impl Taken {
    pub(super) fn has_room(&mut self, now: Instant) -> bool {
        let is_over = self
            .since
            .is_none_or(|since| now.duration_since(since) >= Duration::from_secs(1));
        if is_over {
            self.since = Some(now);
            self.count = 0;
        }
        self.count += 1;
        self.count <= PER_SECOND
    }
}
