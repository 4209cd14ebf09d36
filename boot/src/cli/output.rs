//! Standard output of commands whose results may go through a pipe.

use std::io::{self, BufWriter, StdoutLock, Write};

/// Standard output, buffered. A reader that went away, as `head` does, is no error: the rest is dropped.
pub(super) struct Output(BufWriter<StdoutLock<'static>>);

impl Output {
    /// Takes standard output for the rest of the command.
    pub(super) fn new() -> Self {
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
