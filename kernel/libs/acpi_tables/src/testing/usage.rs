//! Everything there is for tables, used on any bytes: for property tests and the fuzz target.

use std::string::ToString;

use crate::ivrs::{Block, Ivrs};
use crate::lint::lint;
use crate::{Damage, Dmar, Structure};

/// Uses everything there is for tables, and checks that nothing is longer than its bytes allow.
///
/// # Panics
/// If something is.
pub fn use_everything(bytes: &[u8]) {
    use_dmar(bytes);
    use_ivrs(bytes);
    let mut findings = 0;
    let judged = lint(bytes, |finding| {
        findings += 1;
        assert!(finding.offset <= bytes.len().max(48), "{finding}");
        assert!(!finding.to_string().contains('\n'));
    });
    assert!(judged.is_ok() || findings == 0);
    // At most nine for each structure or entry, of four bytes at least, and some for the table.
    assert!(findings <= 10 + bytes.len() / 4 * 9);
}

fn use_dmar(bytes: &[u8]) {
    let Ok(dmar) = Dmar::parse(bytes) else { return };
    let (mut structures, mut scopes) = (0, 0);
    for structure in dmar.structures() {
        structures += 1;
        let Ok(structure) = structure else { continue };
        let mut offset = structure.offset();
        for scope in structure.scopes() {
            scopes += 1;
            let Ok(scope) = scope else { continue };
            assert!(scope.offset > offset && scope.offset + usize::from(scope.length) <= bytes.len());
            offset = scope.offset;
            assert_eq!(scope.path().count(), (usize::from(scope.length) - 6) / 2);
            assert!(!scope.kind.to_string().is_empty());
        }
        match structure {
            Structure::Drhd(drhd) => assert!(drhd.window_bytes().is_power_of_two()),
            Structure::Rmrr(rmrr) => assert!(rmrr.bytes() != Some(0)),
            Structure::Andd(andd) => {
                assert!(andd.name().len() + andd.padding().len() <= andd.name_field.len())
            }
            _ => {}
        }
    }
    assert!(structures <= bytes.len() / 4 + 1);
    assert!(scopes <= bytes.len() / 6 + structures);
    assert!(dmar.unknown_structures() <= structures);
    check_damage(dmar.damage(), 2 + structures + scopes, bytes);
}

fn use_ivrs(bytes: &[u8]) {
    let Ok(ivrs) = Ivrs::parse(bytes) else { return };
    let (mut blocks, mut entries) = (0, 0);
    for block in ivrs.blocks() {
        blocks += 1;
        let Ok(Block::Ivhd(ivhd)) = block else { continue };
        let mut offset = ivhd.offset;
        for entry in ivhd.entries() {
            entries += 1;
            let Ok(entry) = entry else { continue };
            assert!(entry.offset > offset && entry.offset + usize::from(entry.length) <= bytes.len());
            offset = entry.offset;
        }
    }
    assert!(blocks <= bytes.len() / 4 + 1);
    assert!(entries <= bytes.len() / 4 + blocks);
    assert!(ivrs.unknown_blocks() <= blocks);
    check_damage(ivrs.damage(), 2 + blocks + entries, bytes);
}

fn check_damage(damage: impl Iterator<Item = Damage>, at_most: usize, bytes: &[u8]) {
    let mut count = 0;
    for damage in damage {
        count += 1;
        assert!(!damage.to_string().contains('\n') && damage.offset() < bytes.len());
    }
    assert!(count <= at_most);
}
