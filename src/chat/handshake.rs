//! From an open stream to one that may carry stanzas: login, then an earlier stream
//! resumed (XEP-0198 §5) or a new one bound (wire reference A.3).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use minidom::Element;

use super::connector::{StepError, connect, step};
use super::credentials::Credentials;
use super::error::{ConnectionEnd, Fault, Step};
use super::login::{Login, Reply};
use super::resumption::{Outgoing, Resumed, Resumption, Suspended};
use super::settings::ChatSettings;
use super::transport::{Inbound, Transport, WriteError};
use crate::protocol::ns;
use crate::protocol::stream_management::Nonza;
use crate::protocol::xml::SetAttribute;

/// Stanzas the server may send before we are ready for them.
const MAX_EARLY: usize = 1024;

/// A stream ready for stanzas.
pub(super) struct Established {
    pub(super) transport: Transport,
    /// Our full address, given by the server.
    pub(super) jid: String,
    /// Whether it is a new one.
    pub(super) start: Start,
    /// Messages of the outbox the server turned out to have.
    pub(super) acknowledged: Vec<String>,
    /// Stanzas that came before stream management counted them.
    pub(super) early: VecDeque<Element>,
}

/// Where a stream begins.
pub(super) enum Start {
    /// From nothing.
    New {
        /// How to resume it after a cut, if the server lets us.
        resumption: Option<Resumption>,
        /// What of the stream before is still worth sending.
        left: Vec<Outgoing>,
    },
    /// Where the last connection was cut.
    Resumed(Box<Resumed>),
}

/// Connects, logs in, and resumes `suspended` or else binds and enables stream management, each
/// step within its deadline. `suspended` is taken once the server has decided on it; `reached` is
/// called when the login is through.
pub(super) async fn establish(
    settings: &ChatSettings,
    credentials: &Credentials,
    suspended: &mut Option<Suspended>,
    reached: impl FnOnce(),
) -> Result<Established, ConnectionEnd> {
    let limit = settings.tuning.step;
    let mut transport = connect(settings).await?;
    let features = step(Step::Open, limit, features(&mut transport)).await?;
    let (login, auth) = Login::begin(&settings.realm, credentials, &features)?;
    step(Step::Login, limit, log_in(&mut transport, login, auth)).await?;
    reached();
    let mut transport = step(Step::Open, limit, transport.restart()).await?;
    let features = step(Step::Open, limit, self::features(&mut transport)).await?;
    let is_resumable = |stream: &Suspended| {
        features.has_child("sm", ns::SM) && stream.is_resumable(credentials.user, Instant::now())
    };
    let mut early = VecDeque::new();
    let mut salvaged = (Vec::new(), Vec::new());
    if let Some(stream) = suspended {
        if is_resumable(stream) {
            let asked = resume(&mut transport, stream.request(), &mut early);
            let answer = step(Step::Resume, limit, asked).await?;
            // The server has decided: whatever happens next, it is not asked for again.
            let Some(stream) = suspended.take() else {
                return Err(unexpected(Step::Resume, "there is no stream to resume").into());
            };
            match answer {
                Nonza::Resumed { handled, .. } => {
                    let jid = stream.jid.clone();
                    let resumed = stream.resume(handled, Instant::now());
                    let resumed = resumed.map_err(|error| Fault::Miscount(error.to_string()))?;
                    return Ok(Established {
                        transport,
                        jid,
                        start: Start::Resumed(Box::new(resumed)),
                        acknowledged: Vec::new(),
                        early,
                    });
                }
                Nonza::Failed { handled, condition } => {
                    let condition = condition.unwrap_or_default();
                    tracing::info!(condition, "the stream is not resumed, a new one begins");
                    salvaged = stream.salvage(handled, Instant::now());
                }
                _ => {}
            }
        } else if let Some(stream) = suspended.take() {
            salvaged = stream.salvage(None, Instant::now());
        }
    }
    if !features.has_child("bind", ns::BIND) {
        return Err(unexpected(Step::Bind, "the server offers no binding").into());
    }
    let jid = step(Step::Bind, limit, bind(&mut transport, &mut early)).await?;
    let enabling = enable(&mut transport, &mut early, settings.tuning.resume);
    let resumption = step(Step::StreamManagement, limit, enabling).await?;
    let (acknowledged, left) = salvaged;
    Ok(Established {
        transport,
        jid,
        start: Start::New { resumption, left },
        acknowledged,
        early,
    })
}

/// Asks to go on with an earlier stream; what comes is `<resumed/>` or `<failed/>`.
async fn resume(
    transport: &mut Transport,
    request: Element,
    early: &mut VecDeque<Element>,
) -> Result<Nonza, StepError> {
    send(transport, &request, Step::Resume).await?;
    let answer = receive_among(transport, Step::Resume, early, |element| {
        element.ns() == ns::SM && matches!(element.name(), "resumed" | "failed")
    })
    .await?;
    let nonza = Nonza::read(&answer);
    nonza.map_err(|error| unexpected(Step::Resume, &error.to_string()).into())
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

/// Turns on counting, and resumption for as long as `lasts` and the server allow.
///
/// The server's `location` is not followed: it would have us send credentials to a host nobody
/// configured, and a server that has only one address needs none.
async fn enable(
    transport: &mut Transport,
    early: &mut VecDeque<Element>,
    lasts: Duration,
) -> Result<Option<Resumption>, StepError> {
    let seconds = u32::try_from(lasts.as_secs()).unwrap_or(u32::MAX);
    let enable = Nonza::Enable {
        resume: seconds > 0,
        max: (seconds > 0).then_some(seconds),
    };
    send(transport, &enable.to_element(), Step::StreamManagement).await?;
    let answer = receive_among(transport, Step::StreamManagement, early, |element| {
        element.ns() == ns::SM && matches!(element.name(), "enabled" | "failed")
    })
    .await?;
    match Nonza::read(&answer) {
        Ok(Nonza::Enabled {
            resume, id, max, ..
        }) => Ok(id.filter(|_| resume && seconds > 0).map(|id| Resumption {
            id,
            lasts: max.map_or(lasts, |max| Duration::from_secs(max.into())),
        })),
        _ => {
            let reason = "the server refuses it, so no message could ever be known as received";
            Err(unexpected(Step::StreamManagement, reason).into())
        }
    }
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
