//! The command `listen`: takes the report that a kernel sends over the network with `report udp`.

use std::io::{self, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use page_reader::Collector;
use printed::Printable;

use crate::Failure;
use crate::arguments::ListenArguments;

/// Longest datagram that is looked at.
const DATAGRAM_BYTES: usize = 2048;

/// Waits for one whole report and writes it; returns the exit status: 1 if none came whole in time.
pub(super) fn run(arguments: &ListenArguments) -> Result<u8, Failure> {
    let network = || Failure::of(format!("UDP port {}", arguments.port));
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, arguments.port)).map_err(network())?;
    let port = socket.local_addr().map_err(network())?.port();
    eprintln!("ivt: listening on UDP port {port}; on the other machine: report udp");
    let limit = arguments.timeout.map(|seconds| Duration::from_secs(seconds.into()));
    let (begun, mut collector, mut datagram) = (Instant::now(), Collector::default(), [0; DATAGRAM_BYTES]);
    loop {
        let left = limit.map(|limit| limit.saturating_sub(begun.elapsed()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(tell_what_is_missing(&collector));
        }
        socket.set_read_timeout(left).map_err(network())?;
        // Time that is up, and what a datagram of ours met elsewhere, are no reason to stop.
        let Ok(length) = socket.recv(&mut datagram) else { continue };
        // Others may use the port too.
        let taken = str::from_utf8(&datagram[..length]).is_ok_and(|text| collector.take(text).is_ok());
        if !taken {
            continue;
        }
        let complete = collector.complete().next();
        match complete {
            Some(Ok(report)) => return write(arguments, &report).map(|()| 0),
            Some(Err(error)) => {
                // Its pages would stand in the way of the same report sent again.
                eprintln!("ivt: {error}; waiting for another");
                collector = Collector::default();
            }
            None => {}
        }
    }
}

fn write(arguments: &ListenArguments, report: &str) -> Result<(), Failure> {
    match &arguments.out {
        Some(path) => std::fs::write(path, report)
            .map_err(Failure::of(Printable(&path.display().to_string()).to_string())),
        None => io::stdout().write_all(report.as_bytes()).map_err(Failure::of("standard output")),
    }?;
    eprintln!("ivt: a report of {} lines", report.lines().count());
    Ok(())
}

fn tell_what_is_missing(collector: &Collector) -> u8 {
    eprintln!("ivt: no whole report came in time");
    for missing in collector.missing() {
        eprintln!("ivt: {missing}");
    }
    1
}
