//! Questions and answers as lines.

use std::io::{self, BufRead, IsTerminal, Stdin, Write};

use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};

use crate::config::Secret;
use crate::setup::Question;

/// What somebody said.
pub(super) enum Answer {
    /// This.
    Given(Secret),
    /// Nothing, and there is nobody to ask.
    Nobody,
}

/// Where people read and write, or nobody does.
pub(super) struct Terminal {
    is_unattended: bool,
    stdin: Stdin,
}

impl Terminal {
    pub(super) fn new(is_unattended: bool) -> Self {
        Self {
            is_unattended,
            stdin: io::stdin(),
        }
    }

    /// Tells something; a reader who has gone is no reason to stop.
    pub(super) fn say(&self, text: &str) {
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Asks, or takes what would be offered first.
    pub(super) fn ask(&mut self, question: &Question) -> io::Result<Answer> {
        if self.is_unattended {
            let default = question.default.as_deref().map(Secret::new);
            return Ok(default.map_or(Answer::Nobody, Answer::Given));
        }
        let mut page = format!("\n{}\n", question.text);
        for (number, choice) in (1..).zip(&question.choices) {
            page.push_str(&format!("  {number}) {}  {}\n", choice.value, choice.label));
        }
        match question.default.as_deref() {
            Some("") | None => page.push_str("> "),
            Some(default) => page.push_str(&format!("[{default}] > ")),
        }
        let mut stderr = io::stderr();
        write!(stderr, "{page}").and_then(|()| stderr.flush())?;
        let Some(typed) = self.line(question.topic.is_secret())? else {
            return Ok(Answer::Nobody);
        };
        let text = typed.expose().trim();
        let chosen = text
            .parse::<usize>()
            .ok()
            .and_then(|number| question.choices.get(number.checked_sub(1)?));
        Ok(Answer::Given(match (chosen, &question.default) {
            (Some(choice), _) => Secret::new(&choice.value),
            (None, Some(default)) if text.is_empty() => Secret::new(default),
            _ => Secret::new(text),
        }))
    }

    /// A line, or `None` at the end of the input.
    fn line(&mut self, is_secret: bool) -> io::Result<Option<Secret>> {
        let mut text = zeroize::Zeroizing::new(String::new());
        let quiet = is_secret && self.stdin.is_terminal();
        let before = if quiet { Some(self.silence()?) } else { None };
        let read = self.stdin.lock().read_line(&mut text);
        if let Some(before) = before {
            tcsetattr(&self.stdin, SetArg::TCSANOW, &before)?;
            self.say("");
        }
        Ok((read? > 0).then(|| Secret::new(text.as_str())))
    }

    /// Ends the echo of what is typed; how it was before is the answer.
    fn silence(&self) -> io::Result<nix::sys::termios::Termios> {
        let before = tcgetattr(&self.stdin)?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(&self.stdin, SetArg::TCSANOW, &silent)?;
        Ok(before)
    }
}
