//! Processes of the stage: the program under test with its output kept, ended when its handle goes, and also when the test
//! itself is killed. It must not leave a process behind.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

/// A process that runs.
pub struct Process {
    child: Child,
    log: PathBuf,
}

/// The program under test.
pub const SLUICE: &str = env!("CARGO_BIN_EXE_sluice");

/// A program with an environment of its own. The kernel ends it when the thread that started it ends.
fn command(program: &Path, folder: &Path, env: &[(&str, &str)]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command.current_dir(folder).env_clear().envs(env.iter().copied()).stdin(Stdio::null());
    command
}

impl Process {
    /// Its output is added to `<name>.log` in the folder.
    pub fn start(name: &str, folder: &Path, line: &[String], env: &[(&str, &str)]) -> Self {
        Self::start_other(Path::new(SLUICE), name, folder, line, env)
    }

    /// The same of another program.
    pub fn start_other(
        program: &Path,
        name: &str,
        folder: &Path,
        line: &[String],
        env: &[(&str, &str)],
    ) -> Self {
        let log = folder.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let mut command = command(program, folder, env);
        command.args(line).stdout(file.try_clone().unwrap()).stderr(file);
        Self { child: command.spawn().unwrap(), log }
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn signal(&self, name: &str) {
        let line = format!("kill -s {name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success(), "{line}");
    }

    /// Waits for its end, but not for ever.
    pub fn wait(&mut self) -> ExitStatus {
        super::eventually("the end of the process", || self.child.try_wait().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            println!("---- {}\n{}", self.log.display(), self.log());
        }
    }
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// Runs a command to its end.
pub fn run(folder: &Path, line: &[String], env: &[(&str, &str)]) -> Ran {
    let output = command(Path::new(SLUICE), folder, env).args(line).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap_or_else(|| panic!("sluice {line:?} was ended by a signal"));
    Ran { code, out: text(output.stdout), err: text(output.stderr) }
}
