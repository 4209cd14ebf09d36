//! The host's end of COM1.

use std::io::{Read, Write};
use std::process::ChildStdin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::termios::{self, OptionalActions, Termios};

use crate::qemu::process::Process;

/// What happens to the text on COM1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConsoleMode {
    /// It is kept for the outcome.
    #[default]
    Kept,
    /// It is kept and shown on standard output.
    Shown,
    /// COM1 is this terminal; Ctrl-A X leaves. Nothing is kept.
    Terminal,
}

impl ConsoleMode {
    /// QEMU's arguments for COM1, which is the first serial port.
    pub(super) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Kept | Self::Shown => &["-chardev", "stdio,id=com1,signal=off", "-serial", "chardev:com1"],
            Self::Terminal => &[
                "-chardev",
                "stdio,id=com1,mux=on,signal=off",
                "-serial",
                "chardev:com1",
                "-mon",
                "chardev=com1,mode=readline",
            ],
        }
    }
}

/// COM1 of a running machine.
#[derive(Debug)]
pub(super) struct Console {
    output: Drain,
    input: Option<ChildStdin>,
    terminal: Option<Termios>,
}

impl Console {
    /// Takes over the standard streams of a QEMU that was just started.
    pub(super) fn new(qemu: &mut Process, mode: ConsoleMode) -> Self {
        let terminal = match mode {
            ConsoleMode::Terminal => termios::tcgetattr(std::io::stdin()).ok(),
            ConsoleMode::Kept | ConsoleMode::Shown => None,
        };
        let echo: Box<dyn Write + Send> = match mode {
            ConsoleMode::Shown => Box::new(std::io::stdout()),
            ConsoleMode::Kept | ConsoleMode::Terminal => Box::new(std::io::sink()),
        };
        Self { output: Drain::start(qemu.stdout(), echo), input: qemu.stdin(), terminal }
    }

    /// Types a line.
    pub(super) fn send_line(&mut self, line: &str) -> std::io::Result<()> {
        let Some(input) = &mut self.input else { return Err(std::io::ErrorKind::BrokenPipe.into()) };
        input.write_all(format!("{line}\r").as_bytes())
    }

    /// The text so far.
    pub(super) fn text(&self) -> String {
        self.output.text()
    }

    /// Reads nothing more for now, like a terminal that was stopped.
    pub(super) fn stop_reading(&self) {
        self.output.held.store(true, Ordering::Relaxed);
    }

    /// Reads on.
    pub(super) fn read_on(&self) {
        self.output.held.store(false, Ordering::Relaxed);
    }

    /// The whole text, once QEMU has ended.
    pub(super) fn finish(&mut self) -> String {
        self.output.finish()
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // QEMU does the same when it ends in order, but not when it is killed.
        if let Some(before) = &self.terminal {
            let _ = termios::tcsetattr(std::io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// How often a reader that was stopped looks whether it may go on.
const HELD_POLL: Duration = Duration::from_millis(5);

/// Reads a stream of QEMU's to its end, beside everything else.
#[derive(Debug)]
pub(super) struct Drain {
    text: Arc<Mutex<Vec<u8>>>,
    /// Whether nothing is read for now.
    held: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drain {
    /// Starts reading; what comes also goes to `echo`, for as long as that takes it.
    pub(super) fn start(source: Option<impl Read + Send + 'static>, mut echo: Box<dyn Write + Send>) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let held = Arc::new(AtomicBool::new(false));
        let thread = source.map(|mut source| {
            let (text, held) = (Arc::clone(&text), Arc::clone(&held));
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = source.read(&mut buffer) {
                    if let Ok(mut text) = text.lock() {
                        text.extend_from_slice(&buffer[..count]);
                    }
                    let _ = echo.write_all(&buffer[..count]).and_then(|()| echo.flush());
                    while held.load(Ordering::Relaxed) {
                        std::thread::sleep(HELD_POLL);
                    }
                }
            })
        });
        Self { text, held, thread }
    }

    /// What came so far.
    pub(super) fn text(&self) -> String {
        self.text.lock().map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
    }

    /// Waits for the stream's end and returns all that came.
    pub(super) fn finish(&mut self) -> String {
        self.held.store(false, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
        self.text()
    }
}
