//! Reads a report while the kernel writes it.

use ::report::{Bench, Bugcheck, Check, Device, Drill, End, Event, Fault, Protected, Verdict};
use serde_json::Value;

/// A line of a report.
#[derive(Clone, Debug)]
pub struct Line {
    /// The line as JSON, unknown fields among it.
    pub json: Value,
    /// The line as an event; `None` if its kind is not known here.
    pub event: Option<Event<'static>>,
}

impl Line {
    /// Takes an object for a line, unless it is none or lacks a field of its kind.
    fn of(json: Value) -> Option<Self> {
        let kind = json["event"].as_str()?;
        let event = serde_json::from_value(json.clone()).ok();
        if event.is_none() && KNOWN.contains(&kind) { None } else { Some(Self { json, event }) }
    }

    /// The kind of the event.
    pub fn kind(&self) -> &str {
        self.json["event"].as_str().unwrap_or_default()
    }
}

/// What has been read of a report so far.
#[derive(Clone, Debug, Default)]
pub struct Report {
    lines: Vec<Line>,
    damaged: Vec<String>,
    unfinished: Vec<u8>,
}

/// The kinds of events that must have all their fields.
const KNOWN: [&str; 17] = [
    "boot",
    "cpu",
    "window",
    "unit",
    "device",
    "protected",
    "finding",
    "domain",
    "fault",
    "violation",
    "bugcheck",
    "drill",
    "verdict",
    "check",
    "bench",
    "lost",
    "end",
];

impl Report {
    /// Takes further bytes; a line counts once it is complete.
    ///
    /// Returns the whole lines among them that are the report's, to be copied as they are.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.unfinished.extend_from_slice(bytes);
        let mut taken = Vec::new();
        while let Some(length) = self.unfinished.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unfinished.drain(..=length).collect();
            if self.push_line(&String::from_utf8_lossy(&line)) {
                taken.extend(line);
            }
        }
        taken
    }

    /// Takes a line, and tells whether it is the report's.
    fn push_line(&mut self, text: &str) -> bool {
        let line = serde_json::from_str(text).ok().and_then(Line::of);
        match line {
            Some(line) => self.lines.push(line),
            // Before its first line the port belongs to the firmware, which may write there.
            None if self.lines.is_empty() => return false,
            None => self.damaged.push(text.trim_end().to_owned()),
        }
        true
    }

    /// All lines so far, in order.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Lines that are no event, or lack a field of theirs.
    pub fn damaged(&self) -> &[String] {
        &self.damaged
    }

    /// The lines of one kind, as JSON.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.lines.iter().filter(move |line| line.kind() == kind).map(|line| &line.json)
    }

    /// The last that was said about a function.
    pub fn device(&self, bdf: &str) -> Option<&Value> {
        self.of_kind("device").filter(|device| device["bdf"] == bdf).last()
    }

    /// The last line, if the report came to its end.
    pub fn end(&self) -> Option<&End> {
        self.pick(|event| if let Event::End(end) = event { Some(end) } else { None }).last()
    }

    /// The stop, if there was one.
    pub fn bugcheck(&self) -> Option<&Bugcheck<'static>> {
        self.pick(|event| if let Event::Bugcheck(stop) = event { Some(stop) } else { None }).last()
    }

    /// What was said about protection.
    pub fn protected(&self) -> impl Iterator<Item = &Protected> {
        self.pick(|event| if let Event::Protected(state) = event { Some(state) } else { None })
    }

    /// What was said about devices.
    pub fn devices(&self) -> impl Iterator<Item = &Device<'static>> {
        self.pick(|event| if let Event::Device(device) = event { Some(device) } else { None })
    }

    /// The faults.
    pub fn faults(&self) -> impl Iterator<Item = &Fault<'static>> {
        self.pick(|event| if let Event::Fault(fault) = event { Some(fault) } else { None })
    }

    /// The attacks.
    pub fn drills(&self) -> impl Iterator<Item = &Drill<'static>> {
        self.pick(|event| if let Event::Drill(drill) = event { Some(drill) } else { None })
    }

    /// What was said last of whether the machine is protected.
    pub fn verdict(&self) -> Option<&Verdict<'static>> {
        self.pick(|event| if let Event::Verdict(verdict) = event { Some(verdict) } else { None }).last()
    }

    /// The checks.
    pub fn checks(&self) -> impl Iterator<Item = &Check<'static>> {
        self.pick(|event| if let Event::Check(check) = event { Some(check) } else { None })
    }

    /// The figures.
    pub fn benches(&self) -> impl Iterator<Item = &Bench<'static>> {
        self.pick(|event| if let Event::Bench(bench) = event { Some(bench) } else { None })
    }

    fn pick<'a, T: 'a>(
        &'a self,
        select: impl Fn(&'a Event<'static>) -> Option<&'a T>,
    ) -> impl Iterator<Item = &'a T> {
        self.lines.iter().filter_map(|line| line.event.as_ref()).filter_map(select)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROTECTED: &str = r#"{"event":"protected","t":5,"units":1,"complete":true,"colour":"green"}"#;

    #[test]
    fn lines_count_when_complete() {
        let mut report = Report::default();
        report.push(&PROTECTED.as_bytes()[..20]);
        assert!(report.lines().is_empty());
        report.push(&PROTECTED.as_bytes()[20..]);
        report.push(b"\n");
        assert_eq!(report.protected().next().unwrap().units, 1);
        assert_eq!(report.of_kind("protected").next().unwrap()["colour"], "green");
    }

    #[test]
    fn unknown_kinds_are_kept_and_damaged_lines_are_not_lost() {
        let mut report = Report::default();
        assert!(report.push(b"\x1b[2Jfirmware\n").is_empty(), "not to be copied");
        assert!(report.damaged().is_empty());
        report.push(format!("{PROTECTED}\n").as_bytes());
        report.push(b"{\"event\":\"weather\",\"t\":1}\n{\"event\":\"end\",\"t\":1}\nnoise\n");
        assert_eq!(report.lines().len(), 2);
        assert_eq!(report.lines()[1].kind(), "weather");
        assert_eq!(report.damaged(), [r#"{"event":"end","t":1}"#, "noise"]);
        assert!(report.end().is_none());
    }
}
