//! Finds the word that a mistyped one was probably meant to be.

use core::cell::Cell;

/// The longest word that is compared, in bytes.
const MAX_LENGTH: usize = 16;

/// The most typing mistakes that are forgiven.
const MAX_DISTANCE: usize = 2;

/// The word of `known` that is fewest typing mistakes away, if any is near enough to be meant.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let (distance, best) = known
        .into_iter()
        .filter_map(|candidate| Some((distance(word.as_bytes(), candidate.as_bytes())?, candidate)))
        .min_by_key(|&(distance, _)| distance)?;
    // A word of three letters with two mistakes is any word.
    let forgiven = MAX_DISTANCE.min(word.len() / 2);
    (distance <= forgiven).then_some(best)
}

/// The edit distance (insert, delete, replace a byte), for words of at most [`MAX_LENGTH`] bytes.
fn distance(from: &[u8], to: &[u8]) -> Option<usize> {
    if from.len() > MAX_LENGTH || to.len() > MAX_LENGTH {
        return None;
    }
    // Cell `j` holds the distance of the bytes of `from` seen so far to the first `j` bytes of `to`.
    let row: [Cell<usize>; MAX_LENGTH + 1] = core::array::from_fn(Cell::new);
    for (a, seen) in from.iter().zip(1..) {
        let mut diagonal = row[0].replace(seen);
        for (b, pair) in to.iter().zip(row.windows(2)) {
            let [left, cell] = pair else { continue };
            let replaced = diagonal + usize::from(a != b);
            let shorter = left.get().min(cell.get()) + 1;
            diagonal = cell.replace(replaced.min(shorter));
        }
    }
    row.get(to.len()).map(Cell::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_typing_mistakes() {
        for (from, to, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("help", "help", 0),
            ("hlep", "help", 2),
            ("hel", "help", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(from.as_bytes(), to.as_bytes()), Some(expected), "{from} {to}");
        }
        assert_eq!(distance(&[b'a'; MAX_LENGTH], &[b'b'; MAX_LENGTH]), Some(MAX_LENGTH));
        assert_eq!(distance(&[b'a'; MAX_LENGTH + 1], b"a"), None);
    }

    #[test]
    fn only_near_words_are_suggested() {
        let known = ["help", "units", "devices", "policy"];
        assert_eq!(nearest("hepl", known), Some("help"));
        assert_eq!(nearest("device", known), Some("devices"));
        assert_eq!(nearest("polisi", known), Some("policy"));
        assert_eq!(nearest("x", known), None);
        assert_eq!(nearest("explode", known), None);
    }
}
