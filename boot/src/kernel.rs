//! The nested cargo call that builds the kernel for bare metal.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::{Error, workspace};

const TARGET: &str = "x86_64-unknown-none";

/// What the compiler is told beyond the profile.
const FLAGS: [&str; 2] = [
    // The kernel runs where it is linked for: relocations would be 50 KB of its file.
    "-Crelocation-model=static",
    // Symbols that no other file could use are a tenth of it.
    "-Clink-arg=--discard-all",
];

/// How the kernel is compiled: one of the workspace's cargo profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// What ships, and what CI tests and measures: optimised as a whole, at the price of a minute or more for
    /// every change.
    Release,
    /// For trying a change: only the pieces of a crate that changed are compiled again.
    Development,
}

impl Profile {
    /// Its name in `Cargo.toml`, and its folder below the target's.
    const fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Development => "kernel-dev",
        }
    }
}

/// Whether cargo's messages are shown while it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Messages {
    /// On standard error.
    Shown,
    /// Only in the error, should there be one.
    Kept,
}

/// Builds the kernel and returns the path of its ELF file. Quick where nothing changed; several processes may do
/// it at once, cargo's own lock orders them.
///
/// # Errors
/// If cargo does not start or the kernel does not build.
pub fn build(profile: Profile, messages: Messages) -> Result<PathBuf, Error> {
    let folder = folder();
    let mut cargo = nested("cargo");
    cargo
        .args([
            "build",
            "--profile",
            profile.name(),
            "--package",
            "kernel",
            "--bin",
            "kernel",
            "--target",
            TARGET,
        ])
        .args(["-Zbuild-std=core,alloc", "-Zbuild-std-features=compiler-builtins-mem"])
        .arg("--target-dir")
        .arg(&folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(match messages {
            Messages::Shown => Stdio::inherit(),
            Messages::Kept => Stdio::piped(),
        });
    let output = cargo.output().map_err(|error| no_compiler("cargo", &error))?;
    if !output.status.success() {
        let detail = match messages {
            Messages::Shown => None,
            Messages::Kept => Some(String::from_utf8_lossy(&output.stderr).into_owned()),
        };
        return Err(Error::KernelBuild { detail });
    }
    Ok(folder.join(TARGET).join(profile.name()).join("kernel"))
}

/// Tells in advance whether [`build`] has what it needs.
///
/// # Errors
/// If cargo, rustc or the sources of the compiler's libraries are missing.
pub fn check_compiler() -> Result<(), Error> {
    let ask = |program: &'static str, argument: &[&str]| {
        let output = nested(program).args(argument).output().map_err(|error| no_compiler(program, &error))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let why = said.lines().next().unwrap_or("it fails").to_owned();
        Err(Error::NoCompiler { program, why })
    };
    ask("cargo", &["--version"])?;
    let sysroot = PathBuf::from(ask("rustc", &["--print", "sysroot"])?);
    if sysroot.join("lib/rustlib/src/rust/library/core").is_dir() {
        Ok(())
    } else {
        Err(Error::NoLibrarySources { sysroot })
    }
}

/// The kernel's own target folder: it shares no flags and no lock with the host's.
pub(crate) fn folder() -> PathBuf {
    workspace::target_folder().join("kernel")
}

fn no_compiler(program: &'static str, error: &std::io::Error) -> Error {
    Error::NoCompiler { program, why: error.to_string() }
}

/// A program of the toolchain, in the workspace, without what the outer cargo or the user set for host
/// builds: such flags would reach the kernel.
fn nested(program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(workspace::root()).env_remove("LD_LIBRARY_PATH");
    for (name, _) in std::env::vars_os() {
        if is_for_host_builds(&name) {
            command.env_remove(name);
        }
    }
    // `-Zbuild-std` on a stable compiler; cargo reads it before any configuration.
    command.env("RUSTC_BOOTSTRAP", "1");
    command.env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"));
    command
}

/// Whether a variable steers builds; those that say where the toolchain and the registry are stay.
fn is_for_host_builds(name: &OsStr) -> bool {
    const KEPT: [&str; 6] =
        ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "CARGO_SOURCE_", "RUSTUP_"];
    let name = name.to_string_lossy();
    (name.starts_with("CARGO") || name.starts_with("RUST")) && !KEPT.iter().any(|kept| name.starts_with(kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_host_builds_do_not_reach_the_kernel() {
        for dropped in ["RUSTFLAGS", "CARGO_TARGET_DIR", "CARGO_ENCODED_RUSTFLAGS", "CARGO", "RUSTC_WRAPPER"]
        {
            assert!(is_for_host_builds(OsStr::new(dropped)), "{dropped}");
        }
        for kept in ["CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "RUSTUP_AUTO_INSTALL", "PATH", "HOME"] {
            assert!(!is_for_host_builds(OsStr::new(kept)), "{kept}");
        }
    }

    #[test]
    fn the_compiler_that_built_this_is_found() {
        check_compiler().unwrap();
    }
}
