//! What a package puts beside the program: completions for shells and manual pages, made from the
//! very arguments the program takes.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use super::output::print;

/// Arguments of `cubelet completions`.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// For which shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Arguments of `cubelet man`.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// Write a page for each subcommand into this folder, instead of the first one to stdout.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

/// Prints the completions of a shell.
///
/// # Errors
/// When they cannot be written.
pub fn completions<Program: CommandFactory>(arguments: &CompletionsArgs) -> anyhow::Result<()> {
    let mut text = Vec::new();
    let mut program = Program::command();
    clap_complete::generate(arguments.shell, &mut program, "cubelet", &mut text);
    Ok(print(text)?)
}

/// Prints or writes the manual.
///
/// # Errors
/// When a page cannot be written.
pub fn man<Program: CommandFactory>(arguments: &ManArgs) -> anyhow::Result<()> {
    let program = Program::command();
    match &arguments.dir {
        Some(folder) => pages(program, folder),
        None => {
            let mut text = Vec::new();
            clap_mangen::Man::new(program).render(&mut text)?;
            Ok(print(text)?)
        }
    }
}

fn pages(program: clap::Command, folder: &Path) -> anyhow::Result<()> {
    let what = || format!("cannot write into {}", folder.display());
    std::fs::create_dir_all(folder).with_context(what)?;
    clap_mangen::generate_to(program, folder).with_context(what)
}
