//! A project of a test's own, with a daemon of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

use cinch_client::{Client, Options};

static LAST: AtomicU32 = AtomicU32::new(0);

/// A new project, whose daemon, once there is one, is stopped at the end.
pub struct Project(PathBuf);

impl Project {
    /// A new one. `CINCHD` says how the daemon is run.
    pub fn new() -> Self {
        let folder = env::temp_dir().join(format!("cinch-{}-{}", process::id(), LAST.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir(&folder).unwrap();
        let command = env::var("CINCHD").expect("no daemon to test against: set CINCHD");
        let program = command.replace('"', "").split_whitespace().last().map(PathBuf::from).unwrap();
        let engine = program.with_file_name("engine").join("engine.js");
        let script =
            format!("import('file://{}').then(it => it.createProject('{}'))", engine.display(), folder.display());
        let made = Command::new("node").args(["-e", &script]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self(folder)
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// A client of it.
    pub fn connect(&self) -> Client {
        Options::new().project(self.folder()).connect().unwrap()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if let Ok(db) = Options::new().project(self.folder()).only_running().connect() {
            if let Ok(info) = db.project().info() {
                kill(info.pid);
            }
        }
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Ends a process at once.
pub fn kill(pid: i64) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}
