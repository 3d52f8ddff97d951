//! From an open stream to one that may carry stanzas: login, bind, stream management (wire
//! reference A.3).

use std::collections::VecDeque;

use minidom::Element;

use super::connector::{StepError, connect, step};
use super::credentials::Credentials;
use super::error::{ConnectionEnd, Fault, Step};
use super::login::{Login, Reply};
use super::settings::ChatSettings;
use super::transport::{Inbound, Transport, WriteError};
use crate::protocol::ns;
use crate::protocol::xml::SetAttribute;

/// Stanzas the server may send before we are ready for them.
const MAX_EARLY: usize = 1024;

/// A stream ready for stanzas.
pub(super) struct Established {
    pub(super) transport: Transport,
    /// Our full address, given by the server.
    pub(super) jid: String,
    /// Stanzas that came before stream management counted them.
    pub(super) early: VecDeque<Element>,
}

/// Connects, logs in, binds and enables stream management, each step within its deadline.
pub(super) async fn establish(
    settings: &ChatSettings,
    credentials: &Credentials,
) -> Result<Established, ConnectionEnd> {
    let mut transport = connect(settings).await?;
    let features = step(Step::Open, features(&mut transport)).await?;
    let (login, auth) = Login::begin(&settings.realm, credentials, &features)?;
    step(Step::Login, log_in(&mut transport, login, auth)).await?;
    let mut transport = step(Step::Open, transport.restart()).await?;
    let features = step(Step::Open, self::features(&mut transport)).await?;
    if !features.has_child("bind", ns::BIND) {
        return Err(unexpected(Step::Bind, "the server offers no binding").into());
    }
    let mut early = VecDeque::new();
    let jid = step(Step::Bind, bind(&mut transport, &mut early)).await?;
    let counting = enable_counting(&mut transport, &mut early);
    step(Step::StreamManagement, counting).await?;
    Ok(Established {
        transport,
        jid,
        early,
    })
}

async fn features(transport: &mut Transport) -> Result<Element, StepError> {
    let element = receive(transport, Step::Open).await?;
    if element.is("features", ns::STREAM) {
        return Ok(element);
    }
    let reason = format!("<{}/> came where features were due", element.name());
    Err(unexpected(Step::Open, &reason).into())
}

async fn log_in(
    transport: &mut Transport,
    mut login: Login,
    auth: Element,
) -> Result<(), StepError> {
    send(transport, &auth, Step::Login).await?;
    loop {
        let element = receive(transport, Step::Login).await?;
        let (reply, unfinished) = tokio::task::spawn_blocking(move || {
            let reply = login.answer(&element);
            (reply, login)
        })
        .await
        .map_err(|_| unexpected(Step::Login, "the runtime is shutting down"))?;
        login = unfinished;
        match reply? {
            Reply::Send(element) => send(transport, &element, Step::Login).await?,
            Reply::Done => return Ok(()),
        }
    }
}

async fn bind(
    transport: &mut Transport,
    early: &mut VecDeque<Element>,
) -> Result<String, StepError> {
    // No resource is asked for: the server must choose one that is part of no other address
    // (wire reference A.1).
    let request = Element::builder("iq", ns::CLIENT)
        .with("type", "set")
        .with("id", "bind")
        .append(Element::bare("bind", ns::BIND))
        .build();
    send(transport, &request, Step::Bind).await?;
    let answer = receive_among(transport, Step::Bind, early, |element| {
        element.is("iq", ns::CLIENT) && element.attr("id") == Some("bind")
    })
    .await?;
    let jid = answer
        .get_child("bind", ns::BIND)
        .and_then(|bind| bind.get_child("jid", ns::BIND))
        .map(Element::text)
        .filter(|_| answer.attr("type") == Some("result"));
    jid.ok_or_else(|| unexpected(Step::Bind, "the server gives us no address").into())
}

/// Counting alone, no resumption: what was not acknowledged is in the outbox anyway and is sent
/// again under the same id.
async fn enable_counting(
    transport: &mut Transport,
    early: &mut VecDeque<Element>,
) -> Result<(), StepError> {
    let enable = Element::bare("enable", ns::SM);
    send(transport, &enable, Step::StreamManagement).await?;
    let answer = receive_among(transport, Step::StreamManagement, early, |element| {
        element.ns() == ns::SM && matches!(element.name(), "enabled" | "failed")
    })
    .await?;
    if answer.name() == "enabled" {
        return Ok(());
    }
    let reason = "the server refuses it, so no message could ever be known as received";
    Err(unexpected(Step::StreamManagement, reason).into())
}

async fn send(transport: &mut Transport, element: &Element, step: Step) -> Result<(), StepError> {
    transport.send(element).await.map_err(|error| match error {
        WriteError::Unsendable(reason) => unexpected(step, &reason).into(),
        WriteError::Transport(error) => error.into(),
    })
}

async fn receive(transport: &mut Transport, step: Step) -> Result<Element, StepError> {
    match transport.receive().await? {
        Inbound::Element(element) if element.is("error", ns::STREAM) => {
            Err(stream_error(&element).into())
        }
        Inbound::Element(element) => Ok(element),
        Inbound::Malformed(reason) => Err(unexpected(step, &reason).into()),
        Inbound::Closed => Err(Fault::Closed.into()),
    }
}

/// Waits for one element, keeping the others for later.
async fn receive_among(
    transport: &mut Transport,
    step: Step,
    early: &mut VecDeque<Element>,
    is_it: impl Fn(&Element) -> bool,
) -> Result<Element, StepError> {
    loop {
        let element = receive(transport, step).await?;
        if is_it(&element) {
            return Ok(element);
        }
        if early.len() >= MAX_EARLY {
            return Err(unexpected(step, "a flood of other stanzas").into());
        }
        early.push_back(element);
    }
}

fn unexpected(step: Step, reason: &str) -> Fault {
    Fault::Protocol {
        step,
        reason: reason.to_owned(),
    }
}

/// Understands a stream error (RFC 6120 §4.9.3).
pub(super) fn stream_error(element: &Element) -> ConnectionEnd {
    let condition = element
        .children()
        .find(|child| child.ns() == ns::STREAMS && child.name() != "text")
        .map_or("undefined-condition", Element::name);
    if condition == "conflict" {
        return ConnectionEnd::Conflict;
    }
    Fault::Stream {
        condition: condition.to_owned(),
        text: element
            .get_child("text", ns::STREAMS)
            .map(|text| text.text().chars().take(256).collect()),
    }
    .into()
}
