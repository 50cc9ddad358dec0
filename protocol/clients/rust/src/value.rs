use std::collections::BTreeMap;
use std::fmt;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base64;
use crate::error::{Error, Result, ValueError};

/// JSON numbers are exact up to here.
const MAX_EXACT: u64 = (1 << 53) - 1;

/// A value of `SQLite`, which goes to the daemon and back as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Value {
    /// NULL.
    #[default]
    Null,
    /// 64 bits. What a BOOLEAN column holds is 1 or 0.
    Integer(i64),
    /// NaN is refused before it is sent.
    Real(f64),
    /// UTF-8.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Value {
    /// What kind of value it is, as error messages say it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Integer(_) => "an integer",
            Self::Real(_) => "a real",
            Self::Text(_) => "a text",
            Self::Blob(_) => "a blob",
        }
    }

    /// The value as a Rust type has it, if it is of that kind: nothing is guessed, and no number loses anything.
    pub fn get<T: FromValue>(self) -> Result<T, ValueError> {
        T::from_value(self)
    }
}

macro_rules! from_integers {
    ($($integer:ty)*) => {$(
        impl From<$integer> for Value {
            fn from(value: $integer) -> Self {
                Self::Integer(value.into())
            }
        }
    )*};
}

// A boolean is the integer 1 or 0.
from_integers!(bool i8 i16 i32 i64 u8 u16 u32);

macro_rules! try_from_integers {
    ($($integer:ty)*) => {$(
        impl TryFrom<$integer> for Value {
            type Error = ValueError;

            fn try_from(value: $integer) -> Result<Self, ValueError> {
                let beyond = |_| ValueError::new("an integer beyond 64 bits", "an integer");
                i64::try_from(value).map(Self::Integer).map_err(beyond)
            }
        }
    )*};
}

try_from_integers!(i128 isize u64 u128 usize);

macro_rules! from_references {
    ($($type:ty)*) => {$(
        impl From<&$type> for Value {
            fn from(value: &$type) -> Self {
                value.clone().into()
            }
        }
    )*};
}

from_references!(String Vec<u8> Value);

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Blob(value.into())
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Blob(value)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A Rust type that values of one kind go into. NULL goes into an `Option`, and everything into [`Value`].
pub trait FromValue: Sized {
    /// The value, if it is of this kind.
    fn from_value(value: Value) -> Result<Self, ValueError>;
}

impl FromValue for Value {
    fn from_value(value: Value) -> Result<Self, ValueError> {
        Ok(value)
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value) -> Result<Self, ValueError> {
        match value {
            Value::Null => Ok(None),
            value => T::from_value(value).map(Some),
        }
    }
}

macro_rules! from_value {
    ($($type:ty, $wanted:literal, $($pattern:pat => $taken:expr),+;)*) => {$(
        impl FromValue for $type {
            fn from_value(value: Value) -> Result<Self, ValueError> {
                let found = value.kind();
                let taken = match value {
                    $($pattern => $taken,)+
                    _ => None,
                };
                taken.ok_or(ValueError::new(found, $wanted))
            }
        }

        impl TryFrom<Value> for $type {
            type Error = ValueError;

            fn try_from(value: Value) -> Result<Self, ValueError> {
                Self::from_value(value)
            }
        }
    )*};
}

from_value! {
    i64, "an integer", Value::Integer(value) => Some(value);
    i32, "an integer of 32 bits", Value::Integer(value) => value.try_into().ok();
    i16, "an integer of 16 bits", Value::Integer(value) => value.try_into().ok();
    i8, "an integer of 8 bits", Value::Integer(value) => value.try_into().ok();
    u64, "an integer that is not negative", Value::Integer(value) => value.try_into().ok();
    u32, "an integer of 32 bits that is not negative", Value::Integer(value) => value.try_into().ok();
    u16, "an integer of 16 bits that is not negative", Value::Integer(value) => value.try_into().ok();
    u8, "an integer of 8 bits that is not negative", Value::Integer(value) => value.try_into().ok();
    usize, "an integer that is not negative", Value::Integer(value) => value.try_into().ok();
    bool, "a boolean", Value::Integer(0) => Some(false), Value::Integer(1) => Some(true);
    // A whole REAL of an expression, or of a row by its names, comes as an integer.
    f64, "a real", Value::Real(value) => Some(value), Value::Integer(value) => exact(value);
    String, "a text", Value::Text(value) => Some(value);
    Vec<u8>, "a blob", Value::Blob(value) => Some(value);
}

fn exact(value: i64) -> Option<f64> {
    #[allow(clippy::cast_precision_loss, reason = "there is none up to 2^53")]
    (value.unsigned_abs() <= MAX_EXACT).then_some(value as f64)
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Integer(value) if value.unsigned_abs() <= MAX_EXACT => serializer.serialize_i64(*value),
            Self::Integer(value) => tagged(serializer, "$int", &value.to_string()),
            Self::Real(value) if value.is_nan() => Err(S::Error::custom("SQLite has no NaN")),
            Self::Real(f64::INFINITY) => tagged(serializer, "$real", "Infinity"),
            Self::Real(f64::NEG_INFINITY) => tagged(serializer, "$real", "-Infinity"),
            // JSON does not tell 2.0 from 2; SQLite does.
            Self::Real(value) if value.fract() == 0.0 => tagged(serializer, "$real", &format!("{value:?}")),
            Self::Real(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::Blob(value) => tagged(serializer, "$blob", &base64::encode(value)),
        }
    }
}

fn tagged<S: Serializer>(serializer: S, tag: &str, text: &str) -> Result<S::Ok, S::Error> {
    serializer.collect_map([(tag, text)])
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Null => Ok(Self::Null),
            serde_json::Value::Bool(value) => Ok(value.into()),
            serde_json::Value::Number(number) => Ok(number_of(&number)),
            serde_json::Value::String(text) => Ok(Self::Text(text)),
            serde_json::Value::Object(object) => {
                untagged(&object).ok_or_else(|| D::Error::custom("an object is no value of SQLite"))
            }
            serde_json::Value::Array(_) => Err(D::Error::custom("a list is no value of SQLite")),
        }
    }
}

/// INTEGERs beyond 2^53 are tagged, so a whole number of that size that is not is a REAL.
fn number_of(number: &serde_json::Number) -> Value {
    match number.as_i64() {
        Some(value) if value.unsigned_abs() <= MAX_EXACT => Value::Integer(value),
        _ => Value::Real(number.as_f64().unwrap_or(f64::INFINITY)),
    }
}

fn untagged(object: &serde_json::Map<String, serde_json::Value>) -> Option<Value> {
    let (tag, text) = object.iter().next().filter(|_| object.len() == 1)?;
    let text = text.as_str()?;
    match tag.as_str() {
        "$int" => text.parse().ok().map(Value::Integer),
        "$real" => text.parse().ok().map(Value::Real),
        "$blob" => base64::decode(text).map(Value::Blob),
        _ => None,
    }
}

/// Any JSON, with values of `SQLite` at any depth: what keys hold, and conditions are made of.
///
/// It is made from [`Value`]s, or from what `serde_json::json!` writes.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// true or false.
    Bool(bool),
    /// null, a number, a text or bytes.
    Value(Value),
    /// A list.
    List(Vec<Json>),
    /// An object.
    Map(BTreeMap<String, Json>),
}

impl Default for Json {
    fn default() -> Self {
        Self::Value(Value::Null)
    }
}

macro_rules! json_from_values {
    ($($type:ty)*) => {$(
        impl From<$type> for Json {
            fn from(value: $type) -> Self {
                Self::Value(value.into())
            }
        }
    )*};
}

json_from_values!(Value i8 i16 i32 i64 u8 u16 u32 f64 &str String &[u8] Vec<u8>);

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Vec<Json>> for Json {
    fn from(list: Vec<Json>) -> Self {
        Self::List(list)
    }
}

impl From<BTreeMap<String, Json>> for Json {
    fn from(map: BTreeMap<String, Json>) -> Self {
        Self::Map(map)
    }
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::default(),
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(number) => number.as_i64().map_or_else(|| number_of(&number).into(), Self::from),
            serde_json::Value::String(text) => text.into(),
            serde_json::Value::Array(list) => Self::List(list.into_iter().map(Self::from).collect()),
            serde_json::Value::Object(object) => match untagged(&object) {
                Some(value) => value.into(),
                None => Self::Map(object.into_iter().map(|(name, each)| (name, each.into())).collect()),
            },
        }
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Value(value) => value.serialize(serializer),
            Self::List(list) => list.serialize(serializer),
            Self::Map(map) => map.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_json::Value::deserialize(deserializer).map(Self::from)
    }
}

/// A row by the names of its columns.
///
/// JSON does not tell 2.0 from 2, so a whole number is an integer here even where its column is REAL; `f64` takes it.
/// [`Rows`](crate::Rows) know the columns' types, and so does generated code.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Record(BTreeMap<String, Value>);

impl Record {
    /// A row of no columns.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same row with a value in one more column.
    #[must_use]
    pub fn with(mut self, column: &str, value: impl Into<Value>) -> Self {
        self.set(column, value);
        self
    }

    /// Puts a value into a column.
    pub fn set(&mut self, column: &str, value: impl Into<Value>) {
        self.0.insert(column.into(), value.into());
    }

    /// Puts a value into a column, if there is one.
    pub fn set_if(&mut self, column: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(column, value);
        }
    }

    /// The value of a column.
    #[must_use]
    pub fn value(&self, column: &str) -> Option<&Value> {
        self.0.get(column)
    }

    /// Takes the value out of a column. A value of another kind, or none, is an error.
    pub fn column<T: FromValue>(&mut self, column: &str) -> Result<T, ValueError> {
        let value = self.0.remove(column).ok_or_else(|| ValueError::new("nothing", "a value").in_column(column))?;
        T::from_value(value).map_err(|error| error.in_column(column))
    }

    /// Columns and values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(column, value)| (column.as_str(), value))
    }
}

impl<C: Into<String>, V: Into<Value>, const N: usize> From<[(C, V); N]> for Record {
    fn from(columns: [(C, V); N]) -> Self {
        columns.into_iter().collect()
    }
}

impl<C: Into<String>, V: Into<Value>> FromIterator<(C, V)> for Record {
    fn from_iter<I: IntoIterator<Item = (C, V)>>(columns: I) -> Self {
        Self(columns.into_iter().map(|(column, value)| (column.into(), value.into())).collect())
    }
}

impl Extend<(String, Value)> for Record {
    fn extend<I: IntoIterator<Item = (String, Value)>>(&mut self, columns: I) {
        self.0.extend(columns);
    }
}

impl IntoIterator for Record {
    type Item = (String, Value);
    type IntoIter = std::collections::btree_map::IntoIter<String, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// A primary key: its value, or the values of its columns where it has several.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Key {
    /// Of one column.
    Value(Value),
    /// Of several.
    Columns(Record),
}

impl Default for Key {
    fn default() -> Self {
        Self::Value(Value::Null)
    }
}

impl<T: Into<Value>> From<T> for Key {
    fn from(value: T) -> Self {
        Self::Value(value.into())
    }
}

/// A key of one column is its value.
impl From<Record> for Key {
    fn from(mut columns: Record) -> Self {
        if columns.0.len() > 1 {
            return Self::Columns(columns);
        }
        columns.0.pop_first().map_or_else(Self::default, |(_, value)| Self::Value(value))
    }
}

/// What an encrypted tenant is unlocked with.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum TenantKey {
    /// A passphrase.
    Passphrase(String),
    /// The 256 bits themselves.
    Raw {
        /// As 64 hex digits.
        raw: String,
    },
}

impl Default for TenantKey {
    fn default() -> Self {
        Self::Passphrase(String::new())
    }
}

impl From<&str> for TenantKey {
    fn from(passphrase: &str) -> Self {
        Self::Passphrase(passphrase.into())
    }
}

/// Shows nothing of the key.
impl fmt::Debug for TenantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TenantKey(…)")
    }
}

/// The parameters of a statement, by position or by name.
///
/// An array or a `Vec` of what goes into a [`Value`] is one, `()` is none, and [`params!`](crate::params) takes values of
/// different types.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Params {
    /// For `?` and `?1`.
    Positional(Vec<Value>),
    /// For `:name`, `@name` and `$name`, without that sign.
    Named(Record),
}

impl Params {
    /// Parameters by name.
    pub fn named(params: impl Into<Record>) -> Self {
        Self::Named(params.into())
    }
}

impl Default for Params {
    fn default() -> Self {
        Self::Positional(Vec::new())
    }
}

impl From<()> for Params {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl<V: Into<Value>> From<Vec<V>> for Params {
    fn from(params: Vec<V>) -> Self {
        Self::Positional(params.into_iter().map(Into::into).collect())
    }
}

impl<V: Into<Value>, const N: usize> From<[V; N]> for Params {
    fn from(params: [V; N]) -> Self {
        Self::Positional(params.into_iter().map(Into::into).collect())
    }
}

/// Parameters by position, of different types: `params![1, "a", None::<f64>]`.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        $crate::Params::Positional(vec![$($crate::Value::from($value)),*])
    };
}

pub(crate) fn encoded<T: Serialize + ?Sized>(what: &str, value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(Error::json(what))
}

#[cfg(test)]
mod tests {
    use super::{Json, Key, Record, Value};

    #[test]
    fn whole_numbers_beyond_2_53_that_are_not_tagged_are_reals() {
        for (text, value) in [
            ("9007199254740991", Value::Integer(9_007_199_254_740_991)),
            ("9007199254740992", Value::Real(9_007_199_254_740_992.0)),
            ("-0", Value::Real(-0.0)),
            (r#"{"$int":"-9223372036854775808"}"#, Value::Integer(i64::MIN)),
            (r#"{"$real":"1e+300"}"#, Value::Real(1e300)),
            ("true", Value::Integer(1)),
        ] {
            assert_eq!(serde_json::from_str::<Value>(text).unwrap(), value);
        }
        for text in ["[1]", r#"{"$date":"2020"}"#, r#"{"$blob":"AA"}"#, r#"{"$int":"12x"}"#] {
            assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn json_has_values_at_any_depth() {
        let text =
            r#"{"a":[true,{"$int":"9007199254740993"},{"$real":"2.0"},null],"b":{"$blob":"AA=="},"c":{"d":0.5}}"#;
        let json: Json = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&json).unwrap(), text);
        let Json::Map(map) = json else { panic!() };
        assert_eq!(map["b"], Json::from(vec![0_u8]));
    }

    #[test]
    fn numbers_lose_nothing_on_their_way_into_a_type() {
        assert_eq!(i8::try_from(Value::Integer(127)), Ok(127));
        assert_eq!(f64::try_from(Value::Integer(2)), Ok(2.0));
        assert_eq!(Value::Null.get::<Option<bool>>(), Ok(None));
        assert!(i8::try_from(Value::Integer(128)).is_err());
        assert!(f64::try_from(Value::Integer(i64::MAX)).is_err());
        assert!(i64::try_from(Value::Real(2.0)).is_err());
        assert!(bool::try_from(Value::Integer(2)).is_err());
        assert!(Value::try_from(u64::MAX).is_err());
        assert!(serde_json::to_string(&Value::Real(f64::NAN)).is_err());
    }

    #[test]
    fn a_key_of_one_column_is_a_value_and_one_of_several_is_an_object() {
        assert_eq!(serde_json::to_string(&Key::from(7)).unwrap(), "7");
        let key = Key::from(Record::new().with("a", 1).with("b", "x"));
        assert_eq!(serde_json::to_string(&key).unwrap(), r#"{"a":1,"b":"x"}"#);
    }
}
