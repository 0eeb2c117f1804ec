//! Headers of a Parquet file, checked before the library reads them.
//!
//! Headers are structures in Thrift's compact form. The library passes over fields that it does not know, and reads no byte for an element of a
//! collection of booleans there: six bytes keep it busy for seconds, a page of them for hours (parquet 60). No header has such a collection, so one is
//! refused here; every other element takes at least a byte, and the walk ends with the file.

use std::{
    collections::BTreeSet,
    io::Read,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{Buf, Bytes, buf::Reader};
use parquet::{
    errors::{ParquetError, Result},
    file::reader::{ChunkReader, Length},
};

/// What stands after the last header: its length in four bytes, and the letters `PAR1`.
const END: usize = 8;

/// Structures within structures, at most: the library's own limit.
const DEPTH: usize = 64;

/// A file's bytes. Where the library asks for a header, it is checked first.
pub(super) struct CheckedBytes {
    bytes: Bytes,
    pages: Arc<Pages>,
}

/// What is known of a file's pages.
#[derive(Default)]
pub(super) struct Pages(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Where what stands behind a checked header begins: the values of its page.
    bodies: BTreeSet<u64>,
    /// Whether the headers of all pages were walked over.
    walked: bool,
}

impl Pages {
    /// Says that the headers of all pages were walked over, one after the other. Until then everything that is read is taken for a header: a
    /// damaged file may have one where another's page says that its values are. From then on the library also asks for those values, which are none.
    pub(super) fn all_walked(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).walked = true;
    }
}

impl CheckedBytes {
    /// The bytes of a file whose last header, the description of all others, is checked; and what will be known of its pages.
    pub(super) fn new(bytes: Bytes) -> Result<(Self, Arc<Pages>)> {
        if let Some(last) = bytes.len().checked_sub(END) {
            let length = (&bytes[last..]).get_u32_le() as usize;
            // A length that is too large is the library's to refuse.
            if let Some(start) = last.checked_sub(length) {
                check(&bytes[start..last])?;
            }
        }
        let pages = Arc::<Pages>::default();
        Ok((Self { bytes, pages: Arc::clone(&pages) }, pages))
    }
}

impl Length for CheckedBytes {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
}

impl ChunkReader for CheckedBytes {
    type T = Reader<Bytes>;

    /// What begins at `start`: the header of a page, the values behind one that was looked at before, or the file's end.
    fn get_read(&self, start: u64) -> Result<Self::T> {
        let reader = self.bytes.get_read(start)?;
        let mut known = self.pages.0.lock().unwrap_or_else(PoisonError::into_inner);
        if start + (END as u64) < self.len() && !(known.walked && known.bodies.contains(&start)) {
            let length = check(reader.get_ref())?;
            known.bodies.insert(start + length as u64);
        }
        Ok(reader)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.bytes.get_bytes(start, length)
    }
}

/// Checks the structure that these bytes begin with, and says how many of them it is.
fn check(bytes: &[u8]) -> Result<usize> {
    let mut walk = Walk(bytes);
    walk.structure(DEPTH).map_err(|problem| ParquetError::General(format!("a header {problem}")))?;
    Ok(bytes.len() - walk.0.len())
}

/// What is left of the bytes that are walked over.
struct Walk<'a>(&'a [u8]);

type Walked<T = ()> = std::result::Result<T, &'static str>;

impl Walk<'_> {
    fn byte(&mut self) -> Walked<u8> {
        let mut byte = [0];
        self.0.read_exact(&mut byte).map_err(|_| "ends in the middle")?;
        Ok(byte[0])
    }

    fn bytes(&mut self, count: u64) -> Walked {
        let rest = usize::try_from(count).ok().and_then(|count| self.0.get(count..));
        self.0 = rest.ok_or("ends in the middle")?;
        Ok(())
    }

    /// A number of seven bits a byte, the lowest first.
    fn number(&mut self) -> Walked<u64> {
        let (mut number, mut shift) = (0_u64, 0);
        loop {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f).wrapping_shl(shift);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
            shift += 7;
        }
    }

    fn structure(&mut self, depth: usize) -> Walked {
        loop {
            let field = self.byte()?;
            if field & 0xf == 0 {
                return Ok(());
            }
            // A field that does not say how far it is from the one before says its own number.
            if field >> 4 == 0 {
                self.number()?;
            }
            // A boolean field is its own value.
            if !matches!(field & 0xf, 1 | 2) {
                self.value(field & 0xf, depth)?;
            }
        }
    }

    fn value(&mut self, kind: u8, depth: usize) -> Walked {
        let depth = depth.checked_sub(1).ok_or("lies too deep")?;
        match kind {
            3 => self.bytes(1),
            4..=6 => self.number().map(drop),
            7 => self.bytes(8),
            8 => self.number().and_then(|length| self.bytes(length)),
            // A list or a set: how many of what, in one byte where they are few.
            9 | 10 => {
                let head = self.byte()?;
                let count = if head >> 4 == 15 { self.number()? } else { u64::from(head >> 4) };
                self.elements(count, &[head & 0xf], depth)
            }
            11 => match self.number()? {
                0 => Ok(()),
                count => {
                    let kinds = self.byte()?;
                    self.elements(count, &[kinds >> 4, kinds & 0xf], depth)
                }
            },
            12 => self.structure(depth),
            13 => self.bytes(16),
            _ => Err("has a value of no known kind"),
        }
    }

    /// So many times a value of each of these kinds.
    fn elements(&mut self, count: u64, kinds: &[u8], depth: usize) -> Walked {
        if count > 0 && kinds.iter().any(|kind| matches!(kind, 1 | 2)) {
            return Err("has a collection of booleans, which no header has");
        }
        (0..count).try_for_each(|_| kinds.iter().try_for_each(|&kind| self.value(kind, depth)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file whose last header has a field that nobody knows: of this kind, with these bytes.
    fn file(kind: u8, value: &[u8]) -> Bytes {
        // Version 1, a schema of one group without fields, no rows, no row groups; field 200.
        let mut header = b"\x15\x02\x19\x1c\x48\x06schema\x15\x00\x00\x16\x00\x19\x0c".to_vec();
        header.extend([kind, 0x90, 0x03]);
        header.extend(value);
        header.push(0);
        let length = u32::try_from(header.len()).unwrap().to_le_bytes();
        [b"PAR1", &header[..], &length, b"PAR1"].concat().into()
    }

    fn open(kind: u8, value: &[u8]) -> std::result::Result<(), String> {
        super::super::open_parquet(file(kind, value)).map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn collections_that_take_no_bytes_are_refused_at_once() {
        // A list of three numbers, a map of nothing, structures within structures with a boolean.
        open(9, b"\x35\x02\x04\x06").unwrap();
        open(11, b"\x00").unwrap();
        open(12, b"\x1c\x11\x00\x00").unwrap();
        // Two thousand million booleans: as a list, within a list of lists, as keys and values of a map.
        let most = b"\xff\xff\xff\xff\x07";
        for (kind, value) in [
            (9, [b"\xf1", &most[..]].concat()),
            (9, [b"\x19\xf2", &most[..]].concat()),
            (11, [&most[..], b"\x11"].concat()),
        ] {
            let error = open(kind, &value).unwrap_err();
            assert!(error.contains("a header has a collection of booleans"), "{error}");
        }
    }

    #[test]
    fn headers_that_end_in_the_middle_or_go_too_deep_are_refused() {
        for (kind, value, problem) in [
            (8, &b"\x7f"[..], "ends in the middle"),
            (9, b"\xf3\xff\xff\xff\xff\x07", "ends in the middle"),
            (12, &[0x1c; 200], "lies too deep"),
            (14, b"", "has a value of no known kind"),
        ] {
            let error = open(kind, value).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }
}
