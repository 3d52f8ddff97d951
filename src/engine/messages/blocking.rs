//! Keeping users away (RT-49…RT-53). The list is the account's own, shared with its other devices:
//! the default privacy list, whatever its name.

use std::time::Duration;

use minidom::Element;
use serde_json::{Value, json};

use super::super::chat_command::{Block, Unblock};
use super::super::command::{CommandError, ErrorCode};
use super::super::directory::resolve;
use super::super::wiring::Wiring;
use super::of_send;
use crate::chat::{Iq, IqKind, SendError};
use crate::protocol::block_list::{self, Blocked};
use crate::protocol::privacy::{List, Request, default_name};

/// How long the chat server may take for an answer.
const LIMIT: Duration = Duration::from_secs(5);
/// What a list of ours is called where the account has none.
const NAME: &str = "blocked";
const NOT_FOUND: u16 = 404;

pub(super) async fn block(wiring: &Wiring, whom: Block) -> Result<Value, CommandError> {
    let user = resolve(wiring, &whom.user).await?;
    if *wiring.identity.borrow() == Some(user) {
        let rule = "user: nobody can block themselves";
        return Err(CommandError::new(ErrorCode::InvalidPayload, rule));
    }
    let _one_at_a_time = wiring.block_list.lock().await;
    let mut list = current(wiring).await?;
    let blocked = Blocked {
        user,
        is_mutual: whom.mutual,
    };
    block_list::block(&mut list, &wiring.realm, blocked);
    let name = list.name.clone();
    ask(wiring, &Request::Put(list)).await?;
    // A list works only as the default one (RT-51).
    ask(wiring, &Request::SetDefault(Some(name))).await?;
    Ok(json!({ "user": user, "mutual": whom.mutual }))
}

pub(super) async fn unblock(wiring: &Wiring, whom: Unblock) -> Result<Value, CommandError> {
    let user = resolve(wiring, &whom.user).await?;
    let _one_at_a_time = wiring.block_list.lock().await;
    let mut list = current(wiring).await?;
    let was_blocked = block_list::unblock(&mut list, &wiring.realm, user);
    if was_blocked && list.items.is_empty() {
        ask(wiring, &Request::SetDefault(None)).await?;
        ask(wiring, &Request::Delete(list.name)).await?;
    } else if was_blocked {
        ask(wiring, &Request::Put(list)).await?;
    }
    Ok(json!({ "user": user, "was_blocked": was_blocked }))
}

pub(super) async fn list(wiring: &Wiring) -> Result<Value, CommandError> {
    let list = current(wiring).await?;
    let users: Vec<Value> = block_list::blocked(&list, &wiring.realm)
        .into_iter()
        .map(|one| json!({ "user": one.user, "mutual": one.is_mutual }))
        .collect();
    Ok(json!({ "users": users }))
}

/// The default list, or an empty one to begin with.
async fn current(wiring: &Wiring) -> Result<List, CommandError> {
    let names = ask(wiring, &Request::Names).await?;
    let Some(name) = names.as_ref().and_then(default_name) else {
        // A list of this name that is not the default keeps nobody away, and is begun anew.
        return Ok(empty(NAME.to_owned()));
    };
    let client = wiring.chat.client();
    let answer = client.request(iq(&Request::Get(name.clone())), LIMIT).await;
    match answer {
        Err(SendError::Answered {
            code: NOT_FOUND, ..
        }) => Ok(empty(name)),
        Err(error) => Err(of_send(error)),
        Ok(answer) => {
            let answer = answer.unwrap_or_else(|| Element::bare("query", ""));
            List::of_answer(&answer)
                .map_err(|error| CommandError::new(ErrorCode::Unavailable, error.to_string()))
        }
    }
}

fn empty(name: String) -> List {
    List {
        name,
        items: Vec::new(),
    }
}

async fn ask(wiring: &Wiring, request: &Request) -> Result<Option<Element>, CommandError> {
    let client = wiring.chat.client();
    client.request(iq(request), LIMIT).await.map_err(of_send)
}

fn iq(request: &Request) -> Iq {
    let (kind, payload) = request.query();
    Iq {
        kind: match kind {
            "get" => IqKind::Get,
            _ => IqKind::Set,
        },
        to: None,
        name: "privacy",
        payload,
    }
}
