//! MessagePack, as far as the scripts speak it: false, true, whole numbers, bytes and lists. It knows nothing of gates.

use thiserror::Error;

/// What a script answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Flag(bool),
    Number(i64),
    Bytes(Vec<u8>),
    List(Vec<Self>),
}

/// Bytes that are no answer of our scripts.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("not the answer that was expected: {0}")]
pub(super) struct Unreadable(pub &'static str);

/// Writes what a script is asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Packer(Vec<u8>);

impl Packer {
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
    /// The next `length` items are a list.
    pub fn list(mut self, length: usize) -> Self {
        self.0.push(0xdd);
        self.size(length)
    }
    pub fn flag(mut self, flag: bool) -> Self {
        self.0.push(if flag { 0xc3 } else { 0xc2 });
        self
    }
    pub fn number(mut self, number: i64) -> Self {
        if let Ok(small @ 0..=0x7f) = u8::try_from(number) {
            self.0.push(small);
        } else {
            self.0.push(0xd3);
            self.0.extend(number.to_be_bytes());
        }
        self
    }
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        if let Ok(short @ 0..=31) = u8::try_from(bytes.len()) {
            self.0.push(0xa0 | short);
        } else {
            self.0.push(0xdb);
            self = self.size(bytes.len());
        }
        self.0.extend_from_slice(bytes);
        self
    }
    /// False stands for none.
    pub fn number_or_false(self, number: Option<i64>) -> Self {
        match number {
            Some(number) => self.number(number),
            None => self.flag(false),
        }
    }
    /// What was packed before, as it is.
    pub fn packed(mut self, other: &Self) -> Self {
        self.0.extend_from_slice(&other.0);
        self
    }
    /// Nothing here comes near 4 GiB: a server takes at most 512 MiB in one argument.
    fn size(mut self, length: usize) -> Self {
        self.0.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        self
    }
}

impl Value {
    pub fn read(mut bytes: &[u8]) -> Result<Self, Unreadable> {
        let value = value(&mut bytes)?;
        if bytes.is_empty() { Ok(value) } else { Err(Unreadable("something follows")) }
    }
    pub fn number(&self) -> Result<i64, Unreadable> {
        self.number_or_none()?.ok_or(Unreadable("no number"))
    }
    /// False stands for none.
    pub fn number_or_none(&self) -> Result<Option<i64>, Unreadable> {
        match self {
            Self::Number(number) => Ok(Some(*number)),
            Self::Flag(false) => Ok(None),
            _ => Err(Unreadable("no number")),
        }
    }
    pub fn is_true(&self) -> Result<bool, Unreadable> {
        match self {
            Self::Flag(flag) => Ok(*flag),
            _ => Err(Unreadable("no flag")),
        }
    }
    pub fn bytes(&self) -> Result<&[u8], Unreadable> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(Unreadable("no bytes")),
        }
    }
    pub fn text(&self) -> Result<&str, Unreadable> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Unreadable("no text"))
    }
    pub fn list(&self) -> Result<&[Self], Unreadable> {
        match self {
            Self::List(list) => Ok(list),
            _ => Err(Unreadable("no list")),
        }
    }
    /// A list of exactly so many.
    pub fn fields<const N: usize>(&self) -> Result<&[Self; N], Unreadable> {
        self.list()?.try_into().map_err(|_| Unreadable("a list of another length"))
    }
}

fn take<'a>(from: &mut &'a [u8], count: usize) -> Result<&'a [u8], Unreadable> {
    let (taken, rest) = from.split_at_checked(count).ok_or(Unreadable("it ends too early"))?;
    *from = rest;
    Ok(taken)
}

/// An unsigned number of so many bytes.
fn unsigned(from: &mut &[u8], count: usize) -> Result<u64, Unreadable> {
    Ok(take(from, count)?.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
}

fn length(from: &mut &[u8], count: usize) -> Result<usize, Unreadable> {
    usize::try_from(unsigned(from, count)?).map_err(|_| Unreadable("too long"))
}

/// A signed number of so many bytes.
fn signed(from: &mut &[u8], count: usize) -> Result<i64, Unreadable> {
    let raw = unsigned(from, count)?;
    let unused = 64 - 8 * u32::try_from(count).unwrap_or(8);
    Ok((raw << unused).cast_signed() >> unused)
}

fn value(from: &mut &[u8]) -> Result<Value, Unreadable> {
    let first = unsigned(from, 1)?;
    let small = usize::try_from(first).unwrap_or_default();
    let listed = |from: &mut &[u8], count: usize| -> Result<Value, Unreadable> {
        (0..count).map(|_| value(from)).collect::<Result<_, _>>().map(Value::List)
    };
    let string = |from: &mut &[u8], count: usize| Ok(Value::Bytes(take(from, count)?.to_vec()));
    match first {
        0x00..=0x7f => Ok(Value::Number(first.cast_signed())),
        0x90..=0x9f => listed(from, small & 0x0f),
        0xa0..=0xbf => string(from, small & 0x1f),
        0xc2 | 0xc3 => Ok(Value::Flag(first == 0xc3)),
        0xc4..=0xc6 => length(from, 1 << (first - 0xc4)).and_then(|count| string(from, count)),
        0xcc..=0xcf => {
            let number = unsigned(from, 1 << (first - 0xcc))?;
            i64::try_from(number).map(Value::Number).map_err(|_| Unreadable("a number over 2^63"))
        }
        0xd0..=0xd3 => signed(from, 1 << (first - 0xd0)).map(Value::Number),
        0xd9..=0xdb => length(from, 1 << (first - 0xd9)).and_then(|count| string(from, count)),
        0xdc | 0xdd => length(from, 2 << (first - 0xdc)).and_then(|count| listed(from, count)),
        0xe0..=0xff => Ok(Value::Number(first.cast_signed() - 256)),
        _ => Err(Unreadable("an item of another kind")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_read_back() {
        let long = vec![7; 70_000];
        let packer = Packer::default().list(7).number(5).number(-3).number(1 << 52).flag(true);
        let packed = packer.bytes(b"key").bytes(&long).number_or_false(None).into_bytes();
        let expected = vec![
            Value::Number(5),
            Value::Number(-3),
            Value::Number(1 << 52),
            Value::Flag(true),
            Value::Bytes(b"key".to_vec()),
            Value::Bytes(long),
            Value::Flag(false),
        ];
        assert_eq!(Value::read(&packed), Ok(Value::List(expected)));
    }

    #[test]
    fn what_breaks_off_is_an_error() {
        let packed = Packer::default().list(2).number(1 << 40).bytes(b"abc").into_bytes();
        for end in 0..packed.len() {
            assert!(Value::read(&packed[..end]).is_err(), "{end}");
        }
    }
}
