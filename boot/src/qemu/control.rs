//! QEMU's control socket: the machine protocol, one JSON object a line.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Error;

/// How long an answer may take: QEMU answers at once, but the host may be busy.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);

/// A connection that has been greeted.
#[derive(Debug)]
pub(super) struct Control {
    stream: UnixStream,
    unread: Vec<u8>,
    events: Vec<Value>,
}

impl Control {
    /// Connects to a socket that exists already; `None` if it does not yet.
    pub(super) fn connect(socket: &Path) -> Result<Option<Self>, Error> {
        let Ok(stream) = UnixStream::connect(socket) else { return Ok(None) };
        stream.set_nonblocking(true).map_err(Error::file(socket))?;
        let mut control = Self { stream, unread: Vec::new(), events: Vec::new() };
        control.answer(|message| message.get("QMP").map(|_| Ok(Value::Null)))?;
        control.execute("qmp_capabilities", json!({}))?;
        Ok(Some(control))
    }

    /// Gives a command and returns its answer.
    ///
    /// # Errors
    /// If QEMU refuses it, is gone, or does not answer in time.
    pub(super) fn execute(&mut self, command: &str, arguments: Value) -> Result<Value, Error> {
        let line = format!("{}\n", json!({"execute": command, "arguments": arguments}));
        self.stream.write_all(line.as_bytes()).map_err(|error| Error::Control(error.to_string()))?;
        self.answer(|message| match (message.get("return"), message.get("error")) {
            (Some(value), _) => Some(Ok(value.clone())),
            (_, Some(error)) => {
                Some(Err(format!("{command}: {}", error["desc"].as_str().unwrap_or("refused"))))
            }
            _ => None,
        })
    }

    /// Takes the events that have come since the last call. A closed socket has none.
    pub(super) fn events(&mut self) -> Vec<Value> {
        while let Ok(Some(message)) = self.message() {
            self.keep_event(message);
        }
        std::mem::take(&mut self.events)
    }

    fn answer(&mut self, pick: impl Fn(&Value) -> Option<Result<Value, String>>) -> Result<Value, Error> {
        let deadline = Instant::now() + ANSWER_WITHIN;
        while Instant::now() < deadline {
            match self.message().map_err(Error::Control)? {
                Some(message) => match pick(&message) {
                    Some(answer) => return answer.map_err(Error::Control),
                    None => self.keep_event(message),
                },
                None => std::thread::sleep(POLL),
            }
        }
        Err(Error::Control("no answer".to_owned()))
    }

    fn keep_event(&mut self, message: Value) {
        if message.get("event").is_some() {
            self.events.push(message);
        }
    }

    /// The next message, if a whole one has arrived.
    fn message(&mut self) -> Result<Option<Value>, String> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(length) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=length).collect();
                return serde_json::from_slice(&line).map(Some).map_err(|error| error.to_string());
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err("closed".to_owned()),
                Ok(count) => self.unread.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}
