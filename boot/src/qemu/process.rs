//! QEMU's process, which never outlives its owner.

use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus};
use std::time::{Duration, Instant};

use crate::Error;

/// How long a QEMU that was told to quit may take.
const QUIT_WITHIN: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(5);

/// A child process that is killed when the value is dropped.
#[derive(Debug)]
pub(super) struct Process(Child);

impl Process {
    /// Starts a program.
    pub(super) fn spawn(command: &mut Command) -> Result<Self, Error> {
        command.spawn().map(Self).map_err(Error::system("starting QEMU"))
    }

    /// Its standard input, once, where it is ours.
    pub(super) fn stdin(&mut self) -> Option<ChildStdin> {
        self.0.stdin.take()
    }

    /// Its standard output, once, where it is ours.
    pub(super) fn stdout(&mut self) -> Option<ChildStdout> {
        self.0.stdout.take()
    }

    /// Its standard error, once, where it is ours.
    pub(super) fn stderr(&mut self) -> Option<ChildStderr> {
        self.0.stderr.take()
    }

    /// How it ended, if it has.
    pub(super) fn exit_status(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().ok().flatten()
    }

    /// Gives it a moment to end, then kills it.
    pub(super) fn end(&mut self) {
        let deadline = Instant::now() + QUIT_WITHIN;
        while self.exit_status().is_none() && Instant::now() < deadline {
            std::thread::sleep(POLL);
        }
        self.kill();
    }

    fn kill(&mut self) {
        // Both fail only for a process that has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
