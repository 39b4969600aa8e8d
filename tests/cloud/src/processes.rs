//! The processes that functions are: found by what runs in them, and killed.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// How often to look for one.
const LOOK: Duration = Duration::from_millis(20);

/// The processes that run `program`, with all of `marks` in their environment.
pub fn running(program: &Path, marks: &[&str]) -> Vec<u32> {
    let is_one = |pid: &u32| {
        let read = |what: &str| fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
        let executable = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        let environment = read("environ");
        let environment = String::from_utf8_lossy(&environment);
        executable == program && marks.iter().all(|mark| environment.contains(mark))
    };
    let pids = fs::read_dir("/proc").expect("this is Linux").flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_one).collect()
}

/// Waits until there is such a process.
///
/// # Panics
/// When there is none for too long.
pub async fn wait_for(program: &Path, marks: &[&str], patience: Duration) -> u32 {
    let began = Instant::now();
    loop {
        if let Some(found) = running(program, marks).first() {
            return *found;
        }
        assert!(began.elapsed() < patience, "no process of {} runs", program.display());
        tokio::time::sleep(LOOK).await;
    }
}

/// Kills a process as `kill -9` does; whether it was there.
pub fn kill(pid: u32) -> bool {
    let killed = Command::new("kill").args(["-9", &pid.to_string()]).output();
    killed.is_ok_and(|output| output.status.success())
}
