//! The `ivt` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    boot::cli::main()
}
