//! Any bytes as a UEFI error record.

use cper::{Body, DmaFault, DmarGeneric, Header, Record, VtdDmar};

/// A record is read as far as it goes, nothing in it leads beyond it, and what is understood of it is written and read
/// back the same.
pub fn check(bytes: &[u8]) {
    let record = match Record::parse(bytes) {
        Ok(record) => record,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return check_behind_signature(bytes);
        }
    };
    let within = bytes.as_ptr_range();
    let (mut generic, mut vtd) = (None, None);
    for section in record.sections() {
        match section.body {
            Body::DmarGeneric(body) => generic = Some(body),
            Body::VtdDmar(body) => vtd = Some(body),
            Body::Other(other) => {
                let other = other.as_ptr_range();
                assert!(within.start <= other.start && other.end <= within.end);
                assert!(other.end as usize - within.start as usize <= record.stated_length());
            }
            Body::Damaged => {}
        }
    }
    assert!(record.sections().count() <= bytes.len() / 72);
    assert_eq!(record.is_whole(), bytes.len() >= record.stated_length());
    if let (Some(generic), Some(vtd)) = (generic, vtd) {
        check_written(*record.header(), generic, vtd);
    }
}

/// The same behind the signatures that make it a record, which a fuzzer finds only by luck.
fn check_behind_signature(bytes: &[u8]) {
    let mut record = bytes.to_vec();
    if let Some(head) = record.get_mut(..Header::BYTES) {
        head[..4].copy_from_slice(b"CPER");
        head[6..10].fill(0xff);
        check(&record);
    }
}

fn check_written(header: Header, generic: DmarGeneric, vtd: VtdDmar) {
    let fault = DmaFault { header, generic, vtd };
    let mut buffer = [0; DmaFault::BYTES];
    let written = fault.write(&mut buffer).expect("room for a record");
    let again = Record::parse(written).expect("a record");
    assert!(again.is_whole() && *again.header() == header);
    let bodies: Vec<Body<'_>> = again.sections().map(|section| section.body).collect();
    assert_eq!(bodies, [Body::DmarGeneric(generic), Body::VtdDmar(vtd)]);
    assert!(fault.write(&mut [0; DmaFault::BYTES - 1]).is_err());
}
