//! demo
use crate::cli::{
    exit::{CliError, Exit},
    screen::Screen,
};
use clap::Args;
use std::collections::BTreeMap;
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {}
pub async fn run(
    _args: &DemoArgs,
    _screen: &mut Screen,
    _env: &BTreeMap<String, String>,
) -> Result<Exit, CliError> {
    Ok(Exit::Ok)
}
