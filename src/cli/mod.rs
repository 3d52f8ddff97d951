//! The command line.
pub mod config;
use std::process::ExitCode;
/// Entry point.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
