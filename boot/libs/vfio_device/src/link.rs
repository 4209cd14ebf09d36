//! The connection to a machine: whole messages out and in, with the file descriptors that come along.

use std::io::{self, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::wire::{HEADER_BYTES, Header, MAX_BYTES};

/// One end of a connection. Any thread may send; one receives.
#[derive(Debug)]
pub(crate) struct Link {
    stream: UnixStream,
    sending: Mutex<()>,
}

/// A message as it came.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) header: Header,
    pub(crate) body: Vec<u8>,
    pub(crate) descriptors: Vec<OwnedFd>,
}

impl Link {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self { stream, sending: Mutex::new(()) }
    }

    /// Ends the connection: whoever receives is told.
    pub(crate) fn close(&self) {
        // It may have ended by itself.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }

    /// Sends a message as a whole.
    pub(crate) fn send(&self, header: &Header, body: &[u8]) -> io::Result<()> {
        let mut bytes = header.encode().to_vec();
        bytes.extend(body);
        let _whole = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        (&self.stream).write_all(&bytes)
    }

    /// Waits for the next message.
    pub(crate) fn receive(&self) -> io::Result<Message> {
        let mut descriptors = Vec::new();
        let mut header = [0; HEADER_BYTES];
        self.fill(&mut header, &mut descriptors)?;
        let header = Header::decode(&header);
        let size = usize::try_from(header.size).unwrap_or(usize::MAX);
        let Some(length) = size.checked_sub(HEADER_BYTES).filter(|_| size <= MAX_BYTES) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message of no sensible length"));
        };
        let mut body = vec![0; length];
        self.fill(&mut body, &mut descriptors)?;
        Ok(Message { header, body, descriptors })
    }

    fn fill(&self, mut buffer: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> io::Result<()> {
        while !buffer.is_empty() {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(64))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let taken = recvmsg(
                &self.stream,
                &mut [IoSliceMut::new(buffer)],
                &mut ancillary,
                RecvFlags::CMSG_CLOEXEC,
            );
            let count = match taken {
                Ok(taken) => taken.bytes,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            for message in ancillary.drain() {
                if let RecvAncillaryMessage::ScmRights(received) = message {
                    descriptors.extend(received);
                }
            }
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            buffer = buffer.get_mut(count..).unwrap_or_default();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Command;

    #[test]
    fn messages_arrive_whole_and_the_end_is_told() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (ours, theirs) = (Link::new(ours), Link::new(theirs));
        theirs.send(&Header::request(3, Command::RESET, 5), b"hello").unwrap();
        let message = ours.receive().unwrap();
        assert_eq!((message.header.id, message.body.as_slice()), (3, b"hello".as_slice()));
        assert!(message.descriptors.is_empty());
        theirs.close();
        assert_eq!(ours.receive().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_length_that_cannot_be_is_refused() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (ours, theirs) = (Link::new(ours), Link::new(theirs));
        for size in [0, 15, u32::MAX] {
            theirs.send(&Header { size, ..Header::request(1, Command::RESET, 0) }, &[]).unwrap();
            assert_eq!(ours.receive().unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }
}
