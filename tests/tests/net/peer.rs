//! The host's end of a TCP connection.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use network::Tally;

/// The longest time until the kernel connects, and between any two of its bytes.
const PATIENCE: Duration = Duration::from_secs(200);

/// How the peer behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// Sends, and reads until the kernel ends its side.
    ReadsToTheEnd,
    /// The same, with a pause after half of what it sends.
    PausesHalfway,
    /// Sends, and ends its own side at once.
    EndsAtOnce,
}

/// A machine that waits for one connection. Parallel tests do not meet: the system chooses the port.
pub struct Peer {
    port: u16,
    thread: JoinHandle<Seen>,
    halfway: Receiver<()>,
    resume: Sender<()>,
}

/// What went by at the host's end.
pub struct Seen {
    pub sent: Tally,
    pub received: Tally,
}

impl Peer {
    /// Listens; whoever connects is sent so many bytes, which differ from port to port.
    pub fn start(bytes: u64, manners: Manners) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("the port").port();
        let (at_half, halfway) = channel();
        let (resume, resumed) = channel();
        let thread = spawn(move || {
            let stream = accept(&listener);
            let mut reading = stream.try_clone().expect("a second handle");
            let reader = spawn(move || read_to_end(&mut reading));
            let sent = send(&stream, bytes, u64::from(port), || {
                if manners == Manners::PausesHalfway {
                    // The test is over if nobody listens any more.
                    let _ = at_half.send(());
                    let _ = resumed.recv();
                }
            });
            if manners == Manners::EndsAtOnce {
                // The kernel may have gone already.
                let _ = stream.shutdown(Shutdown::Write);
            }
            Seen { sent, received: reader.join().expect("the reader") }
        });
        Self { port, thread, halfway, resume }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits until half of the bytes are on their way.
    pub fn wait_for_half(&self) {
        self.halfway.recv_timeout(PATIENCE).expect("the kernel takes in the first half");
    }

    /// Ends the pause.
    pub fn go_on(self) -> Self {
        self.resume.send(()).expect("a peer in its pause");
        self
    }

    /// What went by, once the connection is over.
    pub fn finish(self) -> Seen {
        self.thread.join().expect("the peer")
    }
}

fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).expect("a listener that does not wait");
    let started = Instant::now();
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).expect("a stream that waits");
                stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
                stream.set_write_timeout(Some(PATIENCE)).expect("a time limit");
                return stream;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock && started.elapsed() < PATIENCE => {
                sleep(Duration::from_millis(10));
            }
            Err(error) => panic!("nobody connects: {error}"),
        }
    }
}

/// Sends numbers that follow from a seed, calling `halfway` after the first half; ends early where the kernel
/// hangs up.
fn send(mut stream: &TcpStream, bytes: u64, seed: u64, mut halfway: impl FnMut()) -> Tally {
    let mut sent = Tally::default();
    let mut number = seed;
    let all: Vec<u8> = (0..bytes)
        .map(|_| {
            // Marsaglia's xorshift.
            number ^= number << 13;
            number ^= number >> 7;
            number ^= number << 17;
            (number >> 32) as u8
        })
        .collect();
    let (first, second) = all.split_at(all.len() / 2);
    if stream.write_all(first).is_ok() {
        sent.add(first);
        halfway();
        if stream.write_all(second).is_ok() {
            sent.add(second);
        }
    }
    sent
}

fn read_to_end(stream: &mut TcpStream) -> Tally {
    let mut received = Tally::default();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match stream.read(&mut buffer) {
            // The end, or a reset: what has come has come.
            Ok(0) | Err(_) => return received,
            Ok(length) => received.add(&buffer[..length]),
        }
    }
}
