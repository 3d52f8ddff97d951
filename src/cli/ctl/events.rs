//! `ctl events`: what happens at the device, a line each.

use std::io::Write;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::place::Place;
use super::table;
use crate::control::remote::{Heard, RemoteError};

/// Prints events of the wanted types until there were `count`, or until Ctrl-C.
///
/// # Errors
/// When the connection ends for good, or nobody reads our output any more.
pub async fn follow(
    place: &Place,
    mut heard: broadcast::Receiver<Heard>,
    types: &[String],
    count: Option<usize>,
    json: bool,
) -> anyhow::Result<()> {
    let mut left = count.unwrap_or(usize::MAX);
    while left > 0 {
        let message = match heard.recv().await {
            Ok(message) => message,
            Err(RecvError::Lagged(lost)) => {
                eprintln!("cubelet: {lost} messages came faster than they were read");
                continue;
            }
            Err(RecvError::Closed) => return Err(RemoteError::Lost.into()),
        };
        let Some(kind) = place
            .below(&message)
            .and_then(|topic| topic.strip_prefix("event/"))
        else {
            continue;
        };
        if !types.is_empty() && !types.iter().any(|wanted| includes(wanted, kind)) {
            continue;
        }
        let event = message.json();
        let line = if json {
            let mut event = event;
            if let Some(fields) = event.as_object_mut() {
                fields.insert("type".into(), kind.into());
            }
            event.to_string()
        } else {
            table::event(kind, &event)
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}")?;
        out.flush()?;
        left -= 1;
    }
    Ok(())
}

/// `call` includes `call/ended`, but not `caller`.
fn includes(wanted: &str, kind: &str) -> bool {
    let wanted = wanted.trim_matches('/');
    kind.strip_prefix(wanted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::includes;

    #[test]
    fn a_type_includes_what_is_below_it() {
        assert!(includes("call", "call/ended"));
        assert!(includes("call/ended", "call/ended"));
        assert!(!includes("call", "caller"));
        assert!(!includes("call/ended", "call"));
    }
}
