//! reads PROJECT SECONDS ROWS
use std::time::{Duration, Instant};

use cinch_client::{Client, Options, Result, RowGetParams};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let (seconds, rows): (f64, i64) = (args[2].parse().unwrap(), args[3].parse().unwrap());
    let client = Options::new().project(&args[1]).only_running().connect()?;
    read_for(&client, Duration::from_millis(300), rows)?;
    let (reads, took) = read_for(&client, Duration::from_secs_f64(seconds), rows)?;
    println!(r#"{{"reads": {reads}, "seconds": {}}}"#, took.as_secs_f64());
    Ok(())
}

fn read_for(client: &Client, limit: Duration, rows: i64) -> Result<(i64, Duration)> {
    let started_at = Instant::now();
    let mut reads = 0;
    while started_at.elapsed() < limit {
        reads += 1;
        let id = reads * 48_271 % 2_147_483_647 % rows + 1;
        let params = RowGetParams { table: "item".into(), id: id.into(), ..Default::default() };
        let mut row = client.row().get(&params)?.row.expect("a row");
        assert_eq!(row.column::<i64>("id")?, id);
        assert_eq!(row.column::<String>("name")?, format!("name of {id}"));
    }
    Ok((reads, started_at.elapsed()))
}
