//! Standard output of commands whose results may go through a pipe.

use std::io::{self, BufWriter, StdoutLock, Write};

/// Prints a text; nobody may be there to read it to its end.
pub fn show(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// Standard output, buffered. A reader that went away, as `head` does, is no error: the rest is dropped.
#[derive(Debug)]
pub struct Output(BufWriter<StdoutLock<'static>>);

impl Output {
    /// Takes standard output for the rest of the command.
    #[expect(clippy::new_without_default, reason = "it takes something that there is but once")]
    pub fn new() -> Self {
        Self(BufWriter::new(io::stdout().lock()))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        or_dropped(self.0.write(bytes), bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        or_dropped(self.0.flush(), ())
    }
}

/// The result, or `dropped` where nobody reads any more.
fn or_dropped<T>(result: io::Result<T>, dropped: T) -> io::Result<T> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(dropped),
        other => other,
    }
}
