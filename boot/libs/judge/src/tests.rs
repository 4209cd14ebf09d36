//! One test for each rule of the exit status.

use serde_json::{Value, json};

use super::*;

/// A report that is being put together.
#[derive(Clone)]
struct Lines(Vec<Value>);

impl Lines {
    /// A boot that went well, up to the prompt.
    fn booted() -> Self {
        Self(vec![
            json!({"event": "device", "t": 1, "bdf": "0000:00:03.0", "id": "1234:11e8", "class": "c", "name": "edu",
                "unit": 0, "group": 1, "requester": "0000:00:03.0", "object": "0xffff0", "state": "assigned",
                "driver": "edu", "bus_master_at_boot": false}),
            json!({"event": "protected", "t": 2, "units": 1, "complete": true}),
        ])
    }

    fn and(mut self, line: Value) -> Self {
        self.0.push(line);
        self
    }

    /// The same with one field of the last line of a kind changed.
    fn with(mut self, kind: &str, field: &str, value: Value) -> Self {
        let line = self.0.iter_mut().rev().find(|line| line["event"] == kind).unwrap();
        line[field] = value;
        self
    }

    fn end(self, status: &str) -> Self {
        self.and(json!({"event": "end", "t": 9, "status": status, "checks": 0, "failed": 0, "skipped": 0,
            "faults": 0, "fault_interrupts": 0, "spurious": 0}))
    }

    fn report(&self) -> Report {
        let mut report = Report::default();
        for line in &self.0 {
            report.push(format!("{line}\n").as_bytes());
        }
        report
    }

    fn findings(&self, purpose: Purpose, ending: Ending) -> Vec<Finding> {
        let report = self.report();
        findings(&Evidence { purpose, report: &report, ending, self_test: SelfTest::Excluded })
    }

    fn status(&self, purpose: Purpose, ending: Ending) -> u8 {
        exit_status(&self.findings(purpose, ending))
    }

    fn run(&self) -> u8 {
        self.status(Purpose::Run, Ending::PoweredOff)
    }
}

fn fault() -> Value {
    json!({"event": "fault", "t": 5, "unit": 0, "bdf": "0000:00:03.0", "requester": "0000:00:03.0", "name": "edu",
        "driver": "edu", "access": "write", "address": "0x5000", "reason": "0x5", "reason_name": "r",
        "expected": false, "verdict": "never-mapped", "candidates": [], "explanation": null, "advice": null,
        "nearest": null, "history": [], "count": 1, "at_least": false, "action": "bugcheck"})
}

fn drill(command: &str) -> Value {
    json!({"event": "drill", "t": 6, "command": command, "bdf": "0000:00:03.0", "access": "write",
        "target": "canary", "iova": "0x5000", "target_phys": "0x5000", "length": 16, "before": "aa", "after": "aa",
        "expected_fault": {"requester": "0000:00:03.0", "page": "0x5000", "access": "write"},
        "result": "blocked", "verdict": "never-mapped", "detail": null})
}

fn bugcheck() -> Value {
    json!({"event": "bugcheck", "t": 7, "code": "0xe6", "name": "DRIVER_VERIFIER_DMA_VIOLATION", "p1": "0x26",
        "p2": "0xffff0", "p3": "0x5000", "p4": "0x5", "cpu": {}, "fault": fault(), "detail": null})
}

fn panic() -> Value {
    json!({"event": "bugcheck", "t": 7, "code": "0x0", "name": "PANIC", "p1": "0x0", "p2": "0x0", "p3": "0x0",
        "p4": "0x0", "cpu": {}, "fault": null, "detail": "oops"})
}

/// The stop path in its order: fault, drill, bugcheck, end.
fn stopped(command: &str) -> Lines {
    Lines::booted().and(fault()).and(drill(command)).and(bugcheck()).end("bugcheck")
}

fn check(result: &str) -> Value {
    json!({"event": "check", "t": 3, "name": "c", "result": result, "detail": null})
}

#[test]
fn a_clean_boot_is_0() {
    let lines = Lines::booted().and(check("pass")).and(check("skip")).end("ok");
    assert_eq!(lines.findings(Purpose::Run, Ending::PoweredOff), []);
    assert_eq!(lines.status(Purpose::Run, Ending::Ended), 0);
}

#[test]
fn the_time_limit_is_124_whatever_was_reported() {
    assert_eq!(Lines::booted().status(Purpose::Run, Ending::TimeLimit), 124);
    assert_eq!(Lines::booted().and(panic()).status(Purpose::Demo, Ending::TimeLimit), 124);
}

#[test]
fn a_report_without_its_end_is_3() {
    for ending in [Ending::PoweredOff, Ending::Reset, Ending::Died, Ending::Ended] {
        assert_eq!(Lines::booted().status(Purpose::Run, ending), 3, "{ending:?}");
    }
    assert_eq!(Lines::booted().status(Purpose::Run, Ending::Left), 0);
    assert_eq!(Lines::booted().and(check("fail")).status(Purpose::Run, Ending::Left), 1);
}

#[test]
fn a_stop_that_nobody_asked_for_is_3() {
    assert_eq!(Lines::booted().and(panic()).end("bugcheck").run(), 3);
    assert_eq!(Lines::booted().and(fault()).and(bugcheck()).end("bugcheck").run(), 3);
    assert_eq!(Lines::booted().and(drill("attack")).and(panic()).end("bugcheck").run(), 3);
    assert_eq!(stopped("drill").run(), 3);
    assert_eq!(stopped("attack").with("bugcheck", "p1", json!("0x7")).run(), 3);
    // A unit that was lost, be it in the middle of an attack.
    let lost =
        |lines: Lines| lines.with("bugcheck", "code", json!("0x1e6")).with("bugcheck", "p1", json!("0x0"));
    assert_eq!(lost(Lines::booted().and(panic()).end("bugcheck")).run(), 3);
    assert_eq!(lost(Lines::booted().and(drill("attack")).and(panic()).end("bugcheck")).run(), 3);
}

#[test]
fn a_stop_that_an_attack_asked_for_is_0() {
    assert_eq!(stopped("attack").findings(Purpose::Run, Ending::Ended), []);
    assert_eq!(stopped("demo").findings(Purpose::Demo, Ending::Ended), []);
}

/// The fault of an attack with an interrupt.
fn refused_interrupt() -> Value {
    let mut fault = fault();
    for (field, value) in [
        ("access", json!("interrupt")),
        ("address", Value::Null),
        ("reason", json!("0x26")),
        ("verdict", json!("interrupt")),
        ("interrupt", json!({"index": 7, "kind": "forged", "owner": "0000:00:05.0"})),
    ] {
        fault[field] = value;
    }
    fault
}

fn interrupt_attack() -> Lines {
    let expected = json!({"requester": "0000:00:03.0", "page": null, "access": "interrupt"});
    Lines::booted()
        .and(refused_interrupt())
        .and(drill("attack"))
        .with("drill", "target", json!("interrupt"))
        .with("drill", "verdict", json!("interrupt"))
        .with("drill", "expected_fault", expected)
}

#[test]
fn an_attack_with_an_interrupt_is_judged_without_a_page() {
    assert_eq!(interrupt_attack().end("ok").findings(Purpose::Run, Ending::PoweredOff), []);
    let stop = || {
        interrupt_attack()
            .and(bugcheck())
            .with("bugcheck", "fault", refused_interrupt())
            .with("bugcheck", "p3", json!("0x0"))
            .with("bugcheck", "p4", json!("0x26"))
            .end("bugcheck")
    };
    assert_eq!(stop().findings(Purpose::Run, Ending::Ended), []);
    assert_eq!(stop().with("bugcheck", "p3", json!("0x5000")).run(), 1);
    assert_eq!(interrupt_attack().with("drill", "verdict", json!("never-mapped")).end("ok").run(), 1);
}

#[test]
fn an_interrupt_that_no_attack_sent_is_unexplained() {
    // The attack by the same device was for memory.
    let lines = Lines::booted().and(fault()).and(drill("attack")).and(refused_interrupt()).end("ok");
    let findings = lines.findings(Purpose::Run, Ending::PoweredOff);
    assert_eq!(
        findings,
        [Finding::UnexplainedFault("0000:00:03.0 interrupt 7 (forged), reason 0x26".to_owned())]
    );
}

#[test]
fn a_stop_that_names_the_wrong_thing_is_1() {
    for (field, value) in
        [("p2", json!("0x1")), ("p3", json!("0x6000")), ("p4", json!("0x6")), ("fault", Value::Null)]
    {
        assert_eq!(stopped("attack").with("bugcheck", field, value).run(), 1, "{field}");
    }
    for (field, value) in [
        ("requester", json!("0000:00:04.0")),
        ("bdf", Value::Null),
        ("access", json!("read")),
        ("address", json!("0x7000")),
        ("verdict", json!("stale")),
    ] {
        let mut fault = fault();
        fault[field] = value;
        assert_eq!(stopped("attack").with("bugcheck", "fault", fault).run(), 1, "{field}");
    }
}

/// Who shares an id is told apart by nobody; the attack knows whom it sent.
#[test]
fn a_stop_for_one_of_several_devices_is_0_if_the_attacks_own_verdict_is_listed() {
    let with_own = |own: &str| {
        let mut fault = fault();
        fault["verdict"] = json!("alias");
        fault["candidates"] =
            json!([{"bdf": "0000:00:04.0", "verdict": "unclaimed"}, {"bdf": "0000:00:03.0", "verdict": own}]);
        stopped("attack").with("bugcheck", "fault", fault).run()
    };
    assert_eq!(with_own("never-mapped"), 0);
    assert_eq!(with_own("stale"), 1);
}

#[test]
fn a_demo_is_0_only_for_the_right_stop() {
    let demo = |lines: Lines| lines.status(Purpose::Demo, Ending::Ended);
    assert_eq!(demo(Lines::booted().end("ok")), 1);
    assert_eq!(demo(Lines::booted().and(drill("demo")).end("ok")), 1);
    assert_eq!(demo(stopped("attack")), 1);
    assert_eq!(demo(stopped("demo").with("drill", "after", json!("bb"))), 1);
    assert_eq!(demo(stopped("demo").with("drill", "verdict", json!("stale"))), 1);
    assert_eq!(demo(stopped("demo").with("drill", "result", json!("LEAKED"))), 1);
    let mut other_reason = fault();
    other_reason["reason"] = json!("0x2");
    let lines = stopped("demo").with("bugcheck", "fault", other_reason).with("bugcheck", "p4", json!("0x2"));
    assert_eq!(demo(lines), 1);
}

#[test]
fn an_attack_that_leaked_or_has_the_wrong_verdict_is_1() {
    let attack =
        |field: &str, value| Lines::booted().and(drill("drill")).with("drill", field, value).end("ok").run();
    assert_eq!(attack("detail", Value::Null), 0);
    assert_eq!(attack("result", json!("LEAKED")), 1);
    assert_eq!(attack("verdict", json!("stale")), 1);
    assert_eq!(attack("verdict", Value::Null), 1);
    assert_eq!(attack("target", json!("freed")), 1);
    assert_eq!(attack("target", json!("0x5000")), 0);
    let neighbour = drill("drill");
    let lines = Lines::booted()
        .and(neighbour)
        .with("drill", "target", json!("neighbour"))
        .with("drill", "expected_fault", Value::Null)
        .with("drill", "verdict", Value::Null)
        .end("ok");
    assert_eq!(lines.run(), 0);
}

#[test]
fn what_is_not_possible_never_fails() {
    let lines = Lines::booted().and(drill("drill")).with("drill", "result", json!("not-possible")).with(
        "drill",
        "verdict",
        Value::Null,
    );
    assert_eq!(lines.end("ok").run(), 0);
}

#[test]
fn a_fault_that_nothing_explains_is_1() {
    let lines = Lines::booted().and(fault()).with("fault", "action", json!("logged")).end("ok");
    assert_eq!(lines.run(), 1);
    assert_eq!(lines.clone().with("fault", "expected", json!(true)).run(), 0);
    let attacked = lines.clone().and(drill("attack"));
    assert_eq!(attacked.run(), 0);
    assert_eq!(attacked.clone().with("fault", "access", json!("read")).run(), 1);
    assert_eq!(attacked.with("fault", "address", Value::Null).run(), 0);
    assert_eq!(lines.clone().and(drill("drill")).run(), 1);
    let report = lines.report();
    let evidence = Evidence {
        purpose: Purpose::Run,
        report: &report,
        ending: Ending::PoweredOff,
        self_test: SelfTest::Possible,
    };
    assert_eq!(findings(&evidence), []);
}

#[test]
fn incomplete_protection_is_1() {
    assert_eq!(Lines::booted().with("protected", "complete", json!(false)).end("ok").run(), 1);
    assert_eq!(Lines(vec![check("pass")]).end("ok").run(), 1);
}

#[test]
fn failed_checks_and_the_kernels_own_word_are_1() {
    assert_eq!(Lines::booted().and(check("fail")).end("failed").run(), 1);
    assert_eq!(Lines::booted().end("failed").findings(Purpose::Run, Ending::Ended), [Finding::KernelFailed]);
}

#[test]
fn a_damaged_line_is_1() {
    assert_eq!(Lines::booted().and(json!({"event": "check", "t": 1})).end("ok").run(), 1);
    assert_eq!(Lines::booted().and(json!({"event": "later", "t": 1})).end("ok").run(), 0);
}

#[test]
fn bench_needs_figures() {
    assert_eq!(Lines::booted().end("ok").status(Purpose::Bench, Ending::PoweredOff), 1);
    let figure =
        json!({"event": "bench", "t": 1, "name": "map_4k", "unit": "instructions", "value": 9, "n": 1000});
    assert_eq!(Lines::booted().and(figure).end("ok").status(Purpose::Bench, Ending::PoweredOff), 0);
}

#[test]
fn a_stop_without_its_reason_is_one_that_nobody_asked_for() {
    assert_eq!(Lines::booted().end("bugcheck").run(), 3);
}
