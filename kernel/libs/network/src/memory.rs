//! Buffers whose making may fail.

use alloc::vec::Vec;

use crate::NetworkError;

/// So many zero bytes.
pub(crate) fn zeroed(bytes: usize) -> Result<Vec<u8>, NetworkError> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(bytes).map_err(|_| NetworkError::OutOfMemory { bytes })?;
    buffer.resize(bytes, 0);
    Ok(buffer)
}
