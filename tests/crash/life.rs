//! A program of this project as a process of its own. It is gone when its handle is.

use std::{
    fs::File,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::process::{Child, Command};

/// Generous: other builds may share the machine.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks.
pub const PAUSE: Duration = Duration::from_millis(10);

/// One life of a process.
pub struct Life {
    child: Child,
}

impl Life {
    /// Starts `sluice` in the folder; what it says goes to `log`.
    pub fn start(folder: &Path, log: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let log = File::options().create(true).append(true).open(folder.join(log)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
        command.args(arguments).envs(environment.iter().copied()).current_dir(folder);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Self { child: command.kill_on_drop(true).spawn().unwrap() }
    }

    /// How it ended, if it has.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end.
    pub async fn end(&mut self) -> ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("the process goes on").unwrap()
    }

    /// SIGKILL.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM, and how it ended.
    pub async fn terminate(mut self) -> ExitStatus {
        let id = self.child.id().expect("it has ended before").to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
        assert!(told.success());
        self.end().await
    }
}
