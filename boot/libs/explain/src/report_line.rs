//! Lines of a report of ivt: `ivt run --report FILE`, then `ivt explain < FILE`.

use report::{Action, Digest, Event, MAX_LINE};

use super::fault::{Origin, Request};
use super::stop::{self, Stop};

/// What the lines are found by.
pub(super) const MARKS: [&str; 2] = ["{\"event\":\"fault\"", "{\"event\":\"bugcheck\""];

/// What such a line says.
#[derive(Debug)]
pub(super) enum Reported {
    /// A blocked request, and how often it came so far.
    Fault {
        /// The request.
        request: Request,
        /// How often.
        count: u64,
        /// What ivt had to say of it.
        words: Words,
    },
    /// A blocked request that was made as a test.
    Announced,
    /// A stop.
    Stop(Box<Stop>),
}

/// What ivt had to say of a blocked request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    /// Why it was blocked.
    pub(super) explanation: Option<String>,
    /// What to do next.
    pub(super) advice: Option<String>,
    /// Who drives the device.
    pub(super) driver: Option<String>,
}

/// Reads the line that begins at `at`, and where it ends.
pub(super) fn read(text: &[u8], at: usize) -> Option<(Reported, usize)> {
    let line = &text[at..text.len().min(at + MAX_LINE)];
    let mut events = serde_json::Deserializer::from_slice(line).into_iter::<Event<'static>>();
    let event = events.next()?.ok()?;
    let end = at + events.byte_offset();
    let reported = match event {
        // The line of the stop says all of it again.
        Event::Fault(fault) if matches!(fault.action, Action::Expected | Action::Bugcheck) => {
            Reported::Announced
        }
        Event::Fault(fault) => {
            let index = fault.interrupt.as_ref().and_then(|interrupt| interrupt.index).map(u64::from);
            let place = fault.address.map(|address| address.0).or(index);
            let blocked = stop::blocked(fault.requester, fault.access, place, fault.reason);
            let request = Request { origin: Origin::Ivt, ..blocked };
            let words = Words {
                explanation: fault.explanation.map(Into::into),
                advice: fault.advice.map(Into::into),
                driver: fault.driver.map(Into::into),
            };
            Reported::Fault { request, count: fault.count, words }
        }
        Event::Bugcheck(bugcheck) => {
            let line = Digest::of("", &bugcheck).to_string();
            let (digest, _) = Digest::read(line.as_bytes())?;
            Reported::Stop(Box::new(Stop::of(Digest { version: None, ..digest })))
        }
        _ => return None,
    };
    Some((reported, end))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    fn lines(report: &[Value]) -> Vec<Value> {
        let text: String = report.iter().map(written).collect();
        let mut output = Vec::new();
        crate::run(&mut text.as_bytes(), crate::Format::Json, &mut output).unwrap();
        String::from_utf8(output).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// A line as the kernel writes it: the kind of the event first.
    fn written(event: &Value) -> String {
        let mut fields = event.as_object().unwrap().clone();
        let kind = fields.remove("event").unwrap();
        format!("{{\"event\":{kind},{}\n", &Value::Object(fields).to_string()[1..])
    }

    fn fault(action: &str, count: u64) -> Value {
        json!({
            "event": "fault", "t": 5, "unit": 0, "bdf": "0000:00:05.0", "requester": "0000:00:05.0", "port": null,
            "name": "NVMe", "id": "1b36:0010", "driver": "nvme", "access": "write", "address": "0x1639000",
            "reason": "0x5", "reason_name": "write without write permission", "expected": action == "expected",
            "verdict": "never-mapped", "candidates": [], "explanation": "Nothing was ever mapped there for it.",
            "advice": "Look in the driver nvme.", "nearest": null, "nearest_live": null, "history": [], "walk": null,
            "count": count, "at_least": false, "action": action,
        })
    }

    #[test]
    fn faults_of_a_report_are_told_in_its_own_words() {
        let found =
            lines(&[fault("expected", 1), fault("logged", 1), fault("logged", 2), fault("logged", 4)]);
        let [line] = &found[..] else { panic!("{found:?}") };
        assert_eq!(
            (&line["kind"], &line["device"], &line["count"]),
            (&"ivt-fault".into(), &"0000:00:05.0".into(), &4.into())
        );
        assert!(line["meaning"].as_str().unwrap().contains("Nothing was ever mapped there for it."));
        assert_eq!(line["next"], "Look in the driver nvme.");
    }

    #[test]
    fn a_stop_of_a_report_is_no_crash_of_windows() {
        let registers: serde_json::Map<String, Value> = [].into_iter().collect();
        let stop = json!({
            "event": "bugcheck", "t": 9, "code": "0xe6", "name": "DRIVER_VERIFIER_DMA_VIOLATION", "p1": "0x26",
            "p2": "0xffff880000150430", "p3": "0x1639000", "p4": "0x5", "cpu": registers, "fault": fault("bugcheck", 1),
            "violation": null, "detail": null,
        });
        let found = lines(&[fault("bugcheck", 1), stop]);
        let [line] = &found[..] else { panic!("{found:?}") };
        assert_eq!((&line["kind"], &line["count"]), (&"ivt-stop".into(), &1.into()));
        assert!(line["meaning"].as_str().unwrap().contains("The verdict is never-mapped"));
    }
}
