//! The `cubelet` binary: parses the command line and hands over to `cubelet::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    cubelet::cli::main()
}
