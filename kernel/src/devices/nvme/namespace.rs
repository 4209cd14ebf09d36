//! A controller as a disk: calls that wait.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use dma_types::Iova;
use nvme::spec::command::{NamespaceId, Transfer};

use super::Nvme;
use super::requests::Io;
use crate::devices::{Disk, DiskError, Namespace};
use crate::dma::PageBuffer;

impl Disk for Nvme {
    fn description(&self) -> &str {
        &self.description
    }

    fn namespaces(&self) -> Vec<Namespace> {
        self.namespaces.clone()
    }

    fn health(&self) -> Option<String> {
        Some(match self.smart() {
            Ok(log) => log.to_string(),
            Err(error) => alloc::format!("unknown, {error}"),
        })
    }

    fn read(
        &self,
        namespace: u32,
        block: u64,
        buffer: PageBuffer,
        blocks: u32,
    ) -> Result<PageBuffer, DiskError> {
        self.transfer(Transfer::Read, namespace, block, buffer, blocks)
    }

    fn write(
        &self,
        namespace: u32,
        block: u64,
        buffer: PageBuffer,
        blocks: u32,
    ) -> Result<PageBuffer, DiskError> {
        self.transfer(Transfer::Write, namespace, block, buffer, blocks)
    }

    fn flush(&self, namespace: u32) -> Result<(), DiskError> {
        self.find(namespace)?;
        self.check_condition()?;
        let token = self.requests.lock().start_flush(&self.controller, NamespaceId(namespace))?;
        Ok(self.wait(token).result?)
    }
}

impl Nvme {
    fn find(&self, id: u32) -> Result<Namespace, DiskError> {
        let found = self.namespaces.iter().find(|namespace| namespace.id == id);
        found.copied().ok_or(DiskError::NoNamespace(id))
    }

    /// Moves blocks by as many commands as it takes, one after the other.
    #[track_caller]
    fn transfer(
        &self,
        transfer: Transfer,
        namespace: u32,
        block: u64,
        buffer: PageBuffer,
        blocks: u32,
    ) -> Result<PageBuffer, DiskError> {
        let namespace = self.find(namespace)?;
        namespace.bytes(block, blocks, &buffer)?;
        let end = block + u64::from(blocks);
        let most = u32::try_from(self.max_bytes / u64::from(namespace.block_bytes)).unwrap_or(u32::MAX);
        if most == 0 {
            return Err(DiskError::Range { block, blocks, of: namespace.blocks });
        }
        let whole = Io { transfer, namespace, block, blocks };
        let held = self.lend(transfer, buffer)?;
        let start = held.iova();
        let mut next = block;
        while next < end {
            let blocks = (end - next).min(u64::from(most)) as u32;
            let offset = (next - block) * u64::from(namespace.block_bytes);
            let at = Iova::new(start.as_u64() + offset);
            let token = self.submit_at(&Io { block: next, blocks, ..whole }, at)?;
            self.wait(token).result?;
            next += u64::from(blocks);
        }
        let buffer = held.give_back()?;
        buffer.ok_or(DiskError::BufferLost)
    }
}
