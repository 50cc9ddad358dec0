//! Sends and reads every value of `protocol/vectors/values.json`: `CINCH_PROJECT=… cargo run --example vectors`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs};

use cinch_client::{params, Client, Value};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    values: Vec<Vector>,
    refused: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    #[serde(default)]
    kind: String,
    value: Option<String>,
    #[serde(default)]
    sql: String,
    #[serde(default, rename = "typeof")]
    type_of: String,
    #[serde(default)]
    by: String,
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vectors/values.json");
    let file = env::var_os("CINCH_VECTORS").map_or(beside, PathBuf::from);
    let Vectors { values, refused } = serde_json::from_str(&fs::read_to_string(file)?)?;
    let db = cinch_client::connect()?;
    let refused: Vec<_> = refused.iter().filter(|vector| vector.by == "client").collect();
    let sent = values.iter().map(|vector| (&vector.name, goes_both_ways(&db, vector)));
    let outcomes: Vec<_> = sent.chain(refused.iter().map(|vector| (&vector.name, is_refused(&db, vector)))).collect();
    for (name, outcome) in &outcomes {
        match outcome {
            Ok(()) => println!("ok {name}"),
            Err(error) => println!("FAIL {name}: {error}"),
        }
    }
    let good = outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).count();
    println!("{good} of {} vectors", outcomes.len());
    Ok(if good == outcomes.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn goes_both_ways(db: &Client, vector: &Vector) -> Outcome {
    let value = native(vector)?;
    let sql = format!("select ?1 is {0}, typeof(?1), ?1, {0}", vector.sql);
    let row = db.query(&sql, params![value.clone()])?.one()?;
    let expected = [Value::from(true), Value::from(vector.type_of.as_str()), value.clone(), value];
    if row.values().iter().zip(&expected).all(|(found, wanted)| is_same(found, wanted)) {
        return Ok(());
    }
    Err(format!("{:?} where {expected:?} was wanted", row.values()).into())
}

/// JSON does not tell 2.0 from 2: the real of an expression comes as an integer, which a reader of reals takes.
fn is_same(found: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Real(wanted) => found.clone().get::<f64>().is_ok_and(|found| found.to_bits() == wanted.to_bits()),
        _ => found == wanted,
    }
}

fn is_refused(db: &Client, vector: &Vector) -> Outcome {
    let Ok(value) = native(vector) else { return Ok(()) };
    match db.query("select ?1", [value]) {
        Err(cinch_client::Error::Json { .. }) => Ok(()),
        outcome => Err(format!("{outcome:?}").into()),
    }
}

fn native(vector: &Vector) -> Result<Value, Box<dyn std::error::Error>> {
    let text = vector.value.as_deref().unwrap_or_default();
    Ok(match vector.kind.as_str() {
        "null" => Value::Null,
        "boolean" => Value::from(text.parse::<bool>()?),
        "integer" => Value::try_from(text.parse::<i128>()?)?,
        "real" => Value::from(text.parse::<f64>()?),
        "text" => Value::from(text),
        "blob" => Value::from(bytes_of(text)?),
        kind => return Err(format!("no such kind: {kind}").into()),
    })
}

fn bytes_of(hex: &str) -> Result<Vec<u8>, std::num::ParseIntError> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16)).collect()
}
