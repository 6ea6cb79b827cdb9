//! The tables as the code names them and as the migrations make them are the same.

use sluicegate::ledger::table;

use crate::ledger::world::{World, on_both_stores};

on_both_stores![every_table_has_the_columns_that_the_code_writes];

async fn every_table_has_the_columns_that_the_code_writes(world: &World) {
    let all = if world.is_sqlite() {
        "SELECT m.name || '.' || c.name || CASE c.type WHEN 'TEXT' THEN '' ELSE ' #' END FROM sqlite_master m, pragma_table_info(m.name) c \
         WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE '%_migrations'"
    } else {
        "SELECT table_name || '.' || column_name || CASE data_type WHEN 'text' THEN '' ELSE ' #' END \
         FROM information_schema.columns \
         WHERE table_schema = 'public' AND table_name NOT LIKE '%_migrations'"
    };
    let mut found = world.texts(all).await;
    let columns = table::ALL.iter().flat_map(|table| table.columns.iter().map(move |column| (table, column)));
    let mut expected: Vec<String> = columns
        .map(|(table, column)| {
            let number = if table.numbers.contains(column) { " #" } else { "" };
            format!("{}.{column}{number}", table.name)
        })
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    for table in table::ALL {
        assert!(table.columns.contains(&table.key), "{}", table.name);
    }
}
