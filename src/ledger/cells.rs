//! A row as the plain values of its columns: a store that is given these need not take JSON apart. It knows no table and no
//! store.

use serde::{
    Serialize, Serializer,
    ser::{Error as _, Impossible, SerializeMap, SerializeStruct},
};
use serde_json::Error;

use crate::ledger::LedgerError;

/// What a row has in one column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cell {
    #[default]
    Null,
    Int(i64),
    Text(String),
}

impl Cell {
    pub fn number(&self) -> Result<Option<i64>, LedgerError> {
        match self {
            Self::Null => Ok(None),
            Self::Int(number) => Ok(Some(*number)),
            Self::Text(text) => Err(LedgerError::Corrupt(format!("`{text}` stands for a number").into())),
        }
    }
    pub fn text(&self) -> Result<Option<&str>, LedgerError> {
        match self {
            Self::Null => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            Self::Int(number) => Err(LedgerError::Corrupt(format!("{number} stands for a text").into())),
        }
    }
}

/// What the rows have in these columns, row by row. A column that a row does not name is null in it.
pub fn cells<T: Serialize>(rows: &[T], columns: &[&str]) -> Result<Vec<Cell>, Error> {
    let mut cells = vec![Cell::Null; rows.len().saturating_mul(columns.len())];
    for (row, cells) in rows.iter().zip(cells.chunks_mut(columns.len().max(1))) {
        row.serialize(Reader(Some(Row { columns, cells, next: 0, name: String::new() })))?;
    }
    Ok(cells)
}

/// A row that is being filled.
struct Row<'a> {
    columns: &'a [&'a str],
    cells: &'a mut [Cell],
    /// Where the next field most likely belongs.
    next: usize,
    /// Of the field that comes, where names come by themselves.
    name: String,
}

impl Row<'_> {
    fn put(&mut self, name: &str, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        let (before, after) = self.columns.split_at_checked(self.next).unwrap_or((self.columns, &[]));
        let ahead = after.iter().position(|column| *column == name).map(|at| at.saturating_add(before.len()));
        // What is not written now is passed over.
        let Some(at) = ahead.or_else(|| before.iter().position(|column| *column == name)) else {
            return Ok(());
        };
        if let Some(cell) = self.cells.get_mut(at) {
            *cell = value.serialize(Reader(None))?;
        }
        self.next = at.saturating_add(1);
        Ok(())
    }
}

impl SerializeStruct for Row<'_> {
    type Ok = Cell;
    type Error = Error;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        self.put(name, value)
    }
    fn end(self) -> Result<Cell, Error> {
        Ok(Cell::Null)
    }
}

impl SerializeMap for Row<'_> {
    type Ok = Cell;
    type Error = Error;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        match key.serialize(Reader(None))? {
            Cell::Text(name) => self.name = name,
            Cell::Null | Cell::Int(_) => return Err(not_plain()),
        }
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let name = std::mem::take(&mut self.name);
        self.put(&name, value)
    }
    fn end(self) -> Result<Cell, Error> {
        Ok(Cell::Null)
    }
}

/// Reads a row, or without one the value of a column.
struct Reader<'a>(Option<Row<'a>>);

fn not_plain() -> Error {
    Error::custom("a row holds something other than text, whole numbers and nulls")
}

macro_rules! numbers {
    ($($name:ident: $type:ty,)*) => {
        $(fn $name(self, value: $type) -> Result<Cell, Error> {
            i64::try_from(value).map(Cell::Int).map_err(Error::custom)
        })*
    };
}

macro_rules! refused {
    ($($name:ident($($type:ty),*) -> $answer:ty,)*) => {
        $(fn $name(self, $(_: $type),*) -> Result<$answer, Error> {
            Err(not_plain())
        })*
    };
}

type Nested = Impossible<Cell, Error>;

impl<'a> Serializer for Reader<'a> {
    type Ok = Cell;
    type Error = Error;
    type SerializeSeq = Nested;
    type SerializeTuple = Nested;
    type SerializeTupleStruct = Nested;
    type SerializeTupleVariant = Nested;
    type SerializeMap = Row<'a>;
    type SerializeStruct = Row<'a>;
    type SerializeStructVariant = Nested;

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Row<'a>, Error> {
        self.0.ok_or_else(not_plain)
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Row<'a>, Error> {
        self.0.ok_or_else(not_plain)
    }
    fn serialize_str(self, value: &str) -> Result<Cell, Error> {
        // No store keeps a NUL in text.
        Ok(Cell::Text(if value.contains('\0') { value.replace('\0', "\u{fffd}") } else { value.to_owned() }))
    }
    fn serialize_unit(self) -> Result<Cell, Error> {
        Ok(Cell::Null)
    }
    fn serialize_none(self) -> Result<Cell, Error> {
        Ok(Cell::Null)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Cell, Error> {
        value.serialize(self)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Cell, Error> {
        value.serialize(self)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<Cell, Error> {
        self.serialize_str(name)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Cell, Error> {
        Err(not_plain())
    }
    numbers! {
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
    }
    refused! {
        serialize_bool(bool) -> Cell,
        serialize_f32(f32) -> Cell,
        serialize_f64(f64) -> Cell,
        serialize_char(char) -> Cell,
        serialize_bytes(&[u8]) -> Cell,
        serialize_unit_struct(&'static str) -> Cell,
        serialize_seq(Option<usize>) -> Nested,
        serialize_tuple(usize) -> Nested,
        serialize_tuple_struct(&'static str, usize) -> Nested,
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Nested,
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Nested,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;

    #[derive(Serialize)]
    struct Thing {
        id: &'static str,
        seen: Option<u64>,
        kind: Kind,
        left_out: i64,
        note: Option<&'static str>,
    }

    #[derive(Clone, Copy, Serialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        RatherLong,
    }

    fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    #[test]
    fn a_row_gives_its_values_in_the_order_of_the_columns() {
        let thing = |id, seen, note| Thing { id, seen, kind: Kind::RatherLong, left_out: 1, note };
        let rows = [thing("a", Some(7), None), thing("b", None, Some("nul\0 \\u0000"))];
        let found = cells(&rows, &["kind", "id", "note", "missing", "seen"]).unwrap();
        let kind = || text("rather_long");
        let first = [kind(), text("a"), Cell::Null, Cell::Null, Cell::Int(7)];
        let second = [kind(), text("b"), text("nul\u{fffd} \\u0000"), Cell::Null, Cell::Null];
        assert_eq!(found, [first, second].concat());
    }

    #[test]
    fn a_row_without_a_type_gives_the_same() {
        let Value::Object(row) = json!({ "id": "a", "seen": 7, "note": null, "x": "y" }) else { return };
        let rows: [Map<String, Value>; 1] = [row];
        let found = cells(&rows, &["seen", "note", "id"]).unwrap();
        assert_eq!(found, [Cell::Int(7), Cell::Null, text("a")]);
    }

    #[test]
    fn what_no_column_can_hold_is_refused() {
        for odd in [json!([1]), json!({ "a": 1 }), json!(true), json!(0.5), json!(u64::MAX)] {
            assert!(cells(&[json!({ "id": odd.clone() })], &["id"]).is_err(), "{odd}");
        }
    }
}
