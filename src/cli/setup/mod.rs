//! `cubelet setup`: a device's first run, in front of it or unattended.
//!
//! Invariant: stdout has the result alone; what is asked and told on the way goes to stderr, line by
//! line, so that a serial console is enough.
//! Must not enter: which question comes next (`crate::setup`).

mod arguments;
mod terminal;

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};
use tokio::runtime::Runtime;

pub use self::arguments::SetupArgs;
use self::terminal::{Answer, Terminal};
use super::WRONG_CONFIGURATION;
use super::output::print;
use crate::config::{MigrateError, Migrated, migrate};
use crate::setup::{Flow, PlaceError, Plan, Step, Target, Topic, Trial, echo, trial};

/// A file cannot be made (`EX_CANTCREAT` of `sysexits.h`).
const CANNOT_CREATE: u8 = 73;
/// A question without an answer, as for any wrong argument.
const USAGE: u8 = 2;

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("nobody answers: {0} is needed")]
    Unanswered(&'static str),
    #[error("{flag}: {rule}")]
    Wrong { flag: &'static str, rule: String },
    #[error("{flag} {value}: {reason}")]
    Tried {
        flag: &'static str,
        value: String,
        reason: String,
    },
    #[error("the configuration stays as it is; --force replaces it and keeps the old one beside")]
    Declined,
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    #[error("{0}")]
    System(#[from] std::io::Error),
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Unanswered(_) | Self::Wrong { .. } => USAGE,
            Self::Tried { .. } | Self::Declined | Self::System(_) => 1,
            Self::Migrate(MigrateError::File(_)) => WRONG_CONFIGURATION,
            Self::Place(_) | Self::Migrate(_) => CANNOT_CREATE,
        }
    }
}

/// Asks, tries, writes. Exit status 0 when it is written, 1 when something does not work, 2 when
/// an answer is missing or wrong, 73 when the files cannot be written.
pub fn run(arguments: &SetupArgs) -> ExitCode {
    let (text, code) = match set_up(arguments) {
        Ok(done) if arguments.json => (format!("{done}\n"), 0),
        Ok(done) => (page(&done), 0),
        Err(failure) if arguments.json => {
            let told = json!({ "ok": false, "error": failure.to_string() });
            (format!("{told}\n"), failure.exit_code())
        }
        Err(failure) => {
            eprintln!("cubelet setup: {failure}");
            (String::new(), failure.exit_code())
        }
    };
    match print(text) {
        Ok(()) => ExitCode::from(code),
        Err(_) => ExitCode::FAILURE,
    }
}

fn set_up(arguments: &SetupArgs) -> Result<Value, Failure> {
    if arguments.migrate {
        return Ok(match migrate(&arguments.config)? {
            Migrated::NotNeeded => json!({ "ok": true, "config": arguments.config }),
            Migrated::Written { from, kept } => {
                json!({ "ok": true, "config": arguments.config, "from": from, "kept": kept })
            }
        });
    }
    let target = Target::new(&arguments.config, arguments.owner.as_deref())?;
    let around = trial::around(target.is_somebodys(), arguments.name.clone());
    let mut flow = Flow::new(around);
    for (topic, answer) in arguments.answers()? {
        flow.answer(topic, answer.expose())
            .map_err(|rule| Failure::Wrong {
                flag: topic.flag(),
                rule,
            })?;
    }
    let mut terminal = Terminal::new(arguments.yes);
    let runtime = Runtime::new()?;
    let mut shell = Shell {
        arguments,
        target: &target,
        terminal: &mut terminal,
        runtime: &runtime,
    };
    let plan = shell.ask_and_try(&mut flow)?;
    let kept = target.write(&plan.drafts(target.stem()))?;
    let found = |topic| flow.findings().get(&topic);
    Ok(json!({
        "ok": true,
        "config": arguments.config,
        "kept": kept,
        "device": plan.device(),
        "hub": { "api": plan.admission.api, "login": plan.admission.login, "user": plan.admission.user },
        "camera": { "source": plan.camera, "picture": found(Topic::Camera) },
        "microphone": { "source": plan.microphone, "heard": found(Topic::Microphone) },
        "speaker": { "sink": plan.speaker, "played": found(Topic::Speaker) },
        "echo": {
            "delay_ms": flow.echo().map(|delay| delay.as_millis() as u64),
            "warning": flow.echo().and_then(echo::warning),
        },
        "ring": plan.ring,
        "broker": plan.broker.as_ref().map(|broker| json!({
            "host": broker.host, "port": broker.port(), "reached": found(Topic::Broker),
        })),
        "next": next(arguments, &target),
    }))
}

struct Shell<'s> {
    arguments: &'s SetupArgs,
    target: &'s Target,
    terminal: &'s mut Terminal,
    runtime: &'s Runtime,
}

impl Shell<'_> {
    fn ask_and_try(&mut self, flow: &mut Flow) -> Result<Plan, Failure> {
        loop {
            match flow.next() {
                Step::Done(plan) => return Ok(*plan),
                Step::Declined => return Err(Failure::Declined),
                Step::Ask(question) => {
                    let topic = question.topic;
                    let Answer::Given(text) = self.terminal.ask(&question)? else {
                        return Err(Failure::Unanswered(topic.flag()));
                    };
                    if let Err(rule) = flow.answer(topic, text.expose()) {
                        self.terminal.say(&rule);
                    }
                }
                Step::Try(trial) => self.perform(flow, trial)?,
            }
        }
    }

    fn perform(&mut self, flow: &mut Flow, trial: Trial) -> Result<(), Failure> {
        let topic = trial.topic();
        let is_untested = self.arguments.untested
            && !matches!(
                trial,
                Trial::FindHubs | Trial::Redeem { .. } | Trial::LogIn { .. }
            );
        if is_untested && matches!(trial, Trial::Echo { .. }) {
            flow.measured(None);
            return Ok(());
        }
        if is_untested {
            flow.tried(topic, Ok("not tried".into()));
            return Ok(());
        }
        let (value, outcome) = match trial {
            Trial::FindHubs => {
                self.terminal.say("looking for hubs on the network …");
                flow.found(trial::find_hubs());
                return Ok(());
            }
            Trial::Camera(source) => {
                let folder = self.arguments.config.parent().unwrap_or(Path::new(""));
                let picture = self.runtime.block_on(trial::picture(&source, folder));
                (source, picture.map(|path| path.display().to_string()))
            }
            Trial::Microphone(source) => {
                self.terminal.say("listening for a second …");
                let heard = trial::microphone(&source);
                (source, heard)
            }
            Trial::Speaker(sink) => {
                self.terminal.say("playing a tone …");
                let played = trial::speaker(&sink);
                (sink, played)
            }
            Trial::Echo {
                microphone,
                speaker,
            } => {
                self.terminal.say("playing a chirp and listening for it …");
                let measured = trial::echo(&microphone, &speaker);
                let told = match &measured {
                    Ok(Some(delay)) => format!("is heard after {} ms", delay.as_millis()),
                    Ok(None) => {
                        "is not heard by the microphone: too quiet, or in another room".into()
                    }
                    Err(reason) => format!("the echo's delay is not known: {reason}"),
                };
                self.terminal.say(&format!("  {speaker}: {told}"));
                let delay = measured.as_ref().ok().copied().flatten();
                if let Some(warning) = delay.and_then(echo::warning) {
                    self.terminal.say(&format!("  warning: {warning}"));
                }
                flow.measured(measured.ok().flatten());
                return Ok(());
            }
            Trial::Broker(broker) => {
                let reached = self.runtime.block_on(trial::broker(&broker));
                (format!("{}:{}", broker.host, broker.port()), reached)
            }
            Trial::Redeem {
                hub,
                code,
                authority,
            } => {
                // The code is good once: what comes after it must not fail.
                self.target.try_writing()?;
                let redeem = trial::redeem(&hub, &code, authority);
                return self.admit(flow, topic, hub.to_string(), self.runtime.block_on(redeem));
            }
            Trial::LogIn { account, ca } => {
                self.target.try_writing()?;
                let who = format!("{} at {}", account.login, account.api);
                let log_in = trial::log_in(*account, ca.as_deref());
                return self.admit(flow, topic, who, self.runtime.block_on(log_in));
            }
        };
        let outcome = self.tell(topic, value, outcome)?;
        flow.tried(topic, outcome);
        Ok(())
    }

    fn admit(
        &mut self,
        flow: &mut Flow,
        topic: Topic,
        what: String,
        outcome: Result<crate::setup::Admission, String>,
    ) -> Result<(), Failure> {
        let finding = outcome
            .as_ref()
            .map(|account| format!("{} is user {}", account.login, account.user))
            .map_err(Clone::clone);
        let told = self.tell(topic, what, finding)?;
        flow.admitted(told.and(outcome.map_err(drop)));
        Ok(())
    }

    /// Says what came of a trial; unattended, the first that fails is the end.
    fn tell(
        &mut self,
        topic: Topic,
        value: String,
        outcome: Result<String, String>,
    ) -> Result<Result<String, ()>, Failure> {
        match outcome {
            Ok(finding) => {
                self.terminal.say(&format!("  {value}: {finding}"));
                Ok(Ok(finding))
            }
            Err(reason) if self.arguments.yes => Err(Failure::Tried {
                flag: topic.flag(),
                value,
                reason,
            }),
            Err(reason) => {
                self.terminal.say(&format!("  {value}: {reason}"));
                Ok(Err(()))
            }
        }
    }
}

/// What to do with it: the packaged unit reads what is in /etc/cubelet.
fn next(arguments: &SetupArgs, target: &Target) -> Vec<String> {
    let file = arguments.config.display();
    let run = match (arguments.config.parent(), target.stem()) {
        (Some(folder), "kiosk") if folder.ends_with("etc/cubelet") => {
            "sudo systemctl enable --now cubelet".to_owned()
        }
        (Some(folder), stem) if folder.ends_with("etc/cubelet") => {
            format!("sudo systemctl enable --now cubelet@{stem}")
        }
        _ => format!("cubelet run --config {file}"),
    };
    vec![format!("cubelet doctor --config {file}"), run]
}

fn page(done: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if done["hub"].is_null() {
        return match &done["from"] {
            Value::Null => format!("{} is of today's version\n", text(&done["config"])),
            from => format!(
                "{} was of version {from}; the old one is {}\n",
                text(&done["config"]),
                text(&done["kept"])
            ),
        };
    }
    let mut page = format!(
        "{} is {}, user {} of {}\n",
        text(&done["config"]),
        text(&done["device"]),
        done["hub"]["user"],
        text(&done["hub"]["api"]),
    );
    if done["kept"].is_string() {
        page.push_str(&format!("what was there is {}\n", text(&done["kept"])));
    }
    page.push_str("next:\n");
    for command in done["next"].as_array().into_iter().flatten() {
        page.push_str(&format!("    {}\n", text(command)));
    }
    page
}
