//! Which subcommand becomes which command of docs/reference/mqtt.md: a file per family.
//!
//! Invariant: a subcommand is one command to the device; what its fields may hold is checked
//! there, so that it is checked once for everybody who commands it.
//! Must not enter: brokers, and how a reply is shown.

mod calls;
mod dialog;
mod in_call;
mod messages;
mod operation;
mod payload;
mod people;
mod reading;
mod recording;
mod records;
mod ringing;

use anyhow::{Context, bail};
use clap::Subcommand;
use serde_json::Value;

use calls::CallVerb;
use dialog::DialogVerb;
use in_call::InCallVerb;
use messages::MessageVerb;
use operation::OperationVerb;
use people::PeopleVerb;
use reading::ReadingVerb;
use recording::RecordingVerb;
use records::RecordsVerb;
use ringing::RingingVerb;

/// A command's verb and its fields.
type Order = (&'static str, Value);

/// Subcommands that are one command to the device each.
#[derive(Debug, Subcommand)]
pub enum Verb {
    #[command(flatten)]
    Calls(CallVerb),
    #[command(flatten)]
    InCall(InCallVerb),
    #[command(flatten)]
    Ringing(RingingVerb),
    #[command(flatten)]
    Messages(MessageVerb),
    #[command(flatten)]
    Reading(ReadingVerb),
    /// Create, change, leave and look at one dialog.
    #[command(subcommand)]
    Dialog(DialogVerb),
    #[command(flatten)]
    Recording(RecordingVerb),
    /// Create, list, change and delete records of custom objects.
    #[command(subcommand, name = "records")]
    Records(RecordsVerb),
    #[command(flatten)]
    People(PeopleVerb),
    #[command(flatten)]
    Operation(OperationVerb),
    /// Any command of the reference, with its fields as JSON.
    Cmd {
        /// The verb, such as `unlock`.
        verb: String,
        /// Its fields.
        #[arg(default_value = "{}")]
        fields: String,
    },
}

impl Verb {
    /// The command's verb and payload.
    ///
    /// # Errors
    /// When the fields of `cmd` are no JSON object.
    pub fn message(&self) -> anyhow::Result<(String, Value)> {
        let (verb, payload) = match self {
            Self::Calls(verb) => verb.order(),
            Self::InCall(verb) => verb.order(),
            Self::Ringing(verb) => verb.order(),
            Self::Messages(verb) => verb.order(),
            Self::Reading(verb) => verb.order(),
            Self::Dialog(verb) => verb.order(),
            Self::Recording(verb) => verb.order(),
            Self::Records(verb) => verb.order(),
            Self::People(verb) => verb.order(),
            Self::Operation(verb) => verb.order(),
            Self::Cmd { verb, fields } => {
                let payload: Value =
                    serde_json::from_str(fields).context("the fields are not JSON")?;
                if !payload.is_object() {
                    bail!("the fields are not a JSON object such as {{\"text\": \"hello\"}}");
                }
                return Ok((verb.clone(), payload));
            }
        };
        Ok((verb.to_owned(), payload))
    }
}
