//! The command `ivt listen`, and pages given to `ivt explain`, against pages that come as networks and people bring them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};

use pages::Pages;

const VERDICT: &str = r#"{"event":"verdict","t":9,"word":"GAPS","checks":[{"id":"drill","result":"unknown","evidence":"seen","words":"Nothing tried."}],"advice":[]}"#;

fn report() -> String {
    let device = |n: u32| format!("{{\"event\":\"device\",\"t\":{n},\"bdf\":\"0000:00:{n:02x}.0\"}}\n");
    (0..90).map(device).chain([format!("{VERDICT}\n")]).collect()
}

fn pages(report: &str) -> Vec<String> {
    let pages = Pages::of(report.as_bytes(), 40).unwrap();
    (0..pages.count()).map(|index| pages.page(index).unwrap().to_string()).collect()
}

/// Starts listening on a free port, and gives it.
fn listen(arguments: &[&str]) -> (Child, u16) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ivt"))
        .args(["listen", "--port", "0"])
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    let port = line.split("port ").nth(1).and_then(|rest| rest.split(';').next()).unwrap().parse().unwrap();
    (child, port)
}

#[test]
fn a_report_is_written_whatever_order_its_pages_come_in() {
    let (mut child, port) = listen(&["--timeout", "60"]);
    let (socket, pages) = (UdpSocket::bind("127.0.0.1:0").unwrap(), pages(&report()));
    let others = ["", "hello", "IVT2:1/0:zz", "IVT2:1/3:00000000:BB8:"].map(str::to_owned);
    assert!(pages.len() > 3);
    // A third is lost at first, the rest comes backwards and twice, and others use the port too.
    let first = pages.iter().rev().enumerate().filter(|(place, _)| place % 3 != 1).map(|(_, page)| page);
    for text in others.iter().chain(first.clone()).chain(first).chain(&pages) {
        socket.send_to(text.as_bytes(), ("127.0.0.1", port)).unwrap();
    }
    let mut written = String::new();
    child.stdout.take().unwrap().read_to_string(&mut written).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(written, report());
}

#[test]
fn what_does_not_come_whole_is_told() {
    let (mut child, port) = listen(&["--timeout", "2"]);
    let (socket, pages) = (UdpSocket::bind("127.0.0.1:0").unwrap(), pages(&report()));
    for page in &pages[1..] {
        socket.send_to(page.as_bytes(), ("127.0.0.1", port)).unwrap();
    }
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(said.contains(&format!("pages 1 of {} are missing", pages.len())), "{said}");
}

#[test]
fn pasted_pages_become_the_report_and_its_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.jsonl");
    let explain = |text: &str| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ivt"))
            .args(["explain", "--save"])
            .arg(&file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let pages = pages(&report());
    let (code, said) = explain(&pages[1..].join("\n"));
    assert!(code == Some(1) && said.contains("pages 1 of") && !file.exists(), "{code:?} {said}");
    let (code, said) = explain(&pages.join("\n"));
    assert!(code == Some(0) && said.contains("GAPS") && said.contains("Nothing tried."), "{code:?} {said}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), report());
}
