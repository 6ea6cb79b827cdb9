//! sluice
fn main(){}
