//! Entries as lines of CSV (RFC 4180). A cell that a spreadsheet would run is made a text.

use serde_json::Value;

use crate::ledger::rows::EntryRow;

/// The first line.
pub const HEAD: &str = "seq,at,kind,request,job,attempt,actor,reason,body,redacted,hash\r\n";
/// What begins a formula, or comes to do so when a spreadsheet trims.
const RUNS: [char; 8] = ['=', '+', '-', '@', '\t', '\r', '\n', '|'];

pub fn line(entry: &EntryRow) -> String {
    let body: Value = serde_json::from_str(&entry.body_json).unwrap_or_default();
    let said = ["reason", "why", "note"].into_iter().find_map(|name| body.get(name)?.as_str());
    let id = |id: Option<String>| id.unwrap_or_default();
    let cells = [
        entry.seq.to_string(),
        entry.at.to_string(),
        entry.kind.clone(),
        id(entry.request_id.map(|id| id.to_string())),
        id(entry.job_id.map(|id| id.to_string())),
        id(entry.attempt_id.map(|id| id.to_string())),
        entry.actor.clone(),
        said.unwrap_or_default().to_owned(),
        entry.body_json.clone(),
        entry.redacted.map(|at| at.to_string()).unwrap_or_default(),
        entry.hash.clone(),
    ];
    let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
    format!("{}\r\n", cells.join(","))
}

fn cell(text: &str) -> String {
    let guard = if text.trim_start_matches(' ').starts_with(RUNS) { "'" } else { "" };
    if guard.is_empty() && !text.contains([',', '"', '\r', '\n']) {
        return text.to_owned();
    }
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_never_a_formula_and_never_two_cells() {
        for (text, wanted) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("=1+1", "\"'=1+1\""),
            ("  @SUM(A1)", "\"'  @SUM(A1)\""),
            ("-2", "\"'-2\""),
            ("+cmd|' /C calc'!A0", "\"'+cmd|' /C calc'!A0\""),
            ("\tx", "\"'\tx\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(cell(text), wanted);
        }
    }
}
