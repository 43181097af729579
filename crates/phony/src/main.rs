//! The program.

use std::process::ExitCode;

fn main() -> ExitCode {
    phony::cli::main()
}
