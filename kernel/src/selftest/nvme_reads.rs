//! Reads of an NVMe controller's medium, many at a time, each looked at byte for byte.

use alloc::vec::Vec;

use nvme::spec::command::Transfer;

use crate::devices::nvme::{Ended, Io, Nvme, NvmeError, Token};
use crate::devices::{Disk, Namespace};
use crate::dma::PageBuffer;

/// Pages of each read, as a power of two.
const EXPONENT: u8 = 2;

/// Reads under way, always as many as there were at first.
pub(super) struct Reads<'a> {
    nvme: &'a Nvme,
    namespace: Namespace,
    /// What stands at the medium's beginning.
    reference: PageBuffer,
    flying: Vec<Token>,
    done: usize,
}

impl<'a> Reads<'a> {
    /// Starts `depth` reads.
    pub(super) fn new(nvme: &'a Nvme, depth: usize) -> Result<Self, &'static str> {
        const NO_MEDIUM: &str = "the medium could not be read";
        let namespace = *nvme.namespaces().first().ok_or(NO_MEDIUM)?;
        let buffer = PageBuffer::new(EXPONENT).map_err(|_| "no memory")?;
        let blocks = (buffer.len() / u64::from(namespace.block_bytes)) as u32;
        let reference = nvme.read(namespace.id, 0, buffer, blocks).map_err(|_| NO_MEDIUM)?;
        let mut reads = Self { nvme, namespace, reference, flying: Vec::new(), done: 0 };
        for _ in 0..depth {
            reads.begin(PageBuffer::new(EXPONENT).map_err(|_| "no memory")?)?;
        }
        Ok(reads)
    }

    fn io(&self) -> Io {
        let blocks = (self.reference.len() / u64::from(self.namespace.block_bytes)) as u32;
        Io { transfer: Transfer::Read, namespace: self.namespace, block: 0, blocks }
    }

    fn begin(&mut self, mut buffer: PageBuffer) -> Result<(), &'static str> {
        // Not what the medium holds.
        buffer.bytes_mut().iter_mut().zip(self.reference.bytes()).for_each(|(byte, read)| *byte = !read);
        let token = self.nvme.submit(&self.io(), buffer).map_err(|_| "a transfer did not start")?;
        self.flying.push(token);
        Ok(())
    }

    /// Tells whether one more read is refused for want of room, as it must be when all places are taken.
    pub(super) fn is_full(&self) -> Result<bool, &'static str> {
        let buffer = PageBuffer::new(EXPONENT).map_err(|_| "no memory")?;
        match self.nvme.submit(&self.io(), buffer) {
            Err(NvmeError::Busy) => Ok(true),
            Err(_) => Err("a transfer did not start"),
            Ok(token) => self.nvme.wait(token).result.map(|()| false).map_err(|_| "a transfer failed"),
        }
    }

    /// Takes what has ended and starts as much again.
    pub(super) fn go_on(&mut self) -> Result<(), &'static str> {
        for _ in 0..self.flying.len() {
            let token = self.flying.remove(0);
            match self.nvme.poll(token) {
                None => self.flying.push(token),
                Some(ended) => {
                    let buffer = self.check(ended)?;
                    self.begin(buffer)?;
                }
            }
        }
        Ok(())
    }

    /// Reads that went well so far.
    pub(super) fn done(&self) -> usize {
        self.done
    }

    fn check(&mut self, ended: Ended) -> Result<PageBuffer, &'static str> {
        ended.result.map_err(|_| "a transfer failed beside it")?;
        let buffer = ended.buffer.ok_or("a buffer did not come back")?;
        self.done += 1;
        if buffer.bytes() == self.reference.bytes() {
            Ok(buffer)
        } else {
            Err("a transfer brought other bytes")
        }
    }

    /// Waits for what is under way, and gives the number of reads that went well.
    pub(super) fn finish(mut self) -> Result<usize, &'static str> {
        for token in core::mem::take(&mut self.flying) {
            let ended = self.nvme.wait(token);
            self.check(ended)?;
        }
        Ok(self.done)
    }
}
