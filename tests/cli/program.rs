//! Runs the program and keeps what it left.

use std::{
    path::Path,
    process::{Command, Output},
};

/// The program, without anything of this process's own settings.
pub fn sluice(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command.args(arguments).current_dir(folder);
    for name in ["SLUICE_CONFIG", "NO_COLOR", "USER", "TERM"] {
        command.env_remove(name);
    }
    command
}

/// What a finished program left.
#[derive(Debug)]
pub struct Left {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

pub fn left(output: Output) -> Left {
    Left {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

pub fn run(arguments: &[&str]) -> Left {
    let folder = tempfile::tempdir().unwrap();
    left(sluice(arguments, folder.path()).output().unwrap())
}
