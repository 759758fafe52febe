//! The one place that starts other programs: with a time limit, and with errors that carry the
//! command, its status and what it said.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

/// How long a command may take when nothing else is said.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// A command to run to its end, built up and then [`run`](Exec::run).
#[derive(Debug, Clone)]
pub struct Exec {
    argv: Vec<String>,
    env: Vec<(String, String)>,
    dir: Option<String>,
    stdin: Option<Vec<u8>>,
    timeout: Duration,
}

/// What a finished command left: its status and what it wrote.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The exit code; -1 when a signal ended the command.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Exec {
    /// Starts the description of a command from its words.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            dir: None,
            stdin: None,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// Appends words to the command.
    #[must_use]
    pub fn args<S: Into<String>>(mut self, more: impl IntoIterator<Item = S>) -> Self {
        self.argv.extend(more.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the command's environment.
    #[must_use]
    pub fn env(mut self, key: &str, value: impl Into<String>) -> Self {
        self.env.push((key.to_owned(), value.into()));
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn dir(mut self, dir: &Path) -> Self {
        self.dir = Some(dir.display().to_string());
        self
    }

    /// Sets what the command reads on standard input; nothing otherwise.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Sets the time limit; 30 s otherwise.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Runs the command and returns its standard output.
    ///
    /// # Errors
    /// When it cannot start, takes too long, or ends with another status than 0.
    pub fn run(&self) -> Result<String> {
        let finished = self.finish()?;
        if finished.code != 0 {
            let said = if finished.stderr.trim().is_empty() {
                &finished.stdout
            } else {
                &finished.stderr
            };
            bail!(
                "`{}` ended with status {}: {}",
                self.shown(),
                finished.code,
                last_lines(said, 12)
            );
        }
        Ok(finished.stdout)
    }

    /// Runs the command and returns how it ended, whatever the status.
    ///
    /// # Errors
    /// When it cannot start or takes too long (it is then killed).
    pub fn finish(&self) -> Result<Finished> {
        let (program, args) = self.argv.split_first().context("empty command")?;
        let mut command = Command::new(program);
        command
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.stdin(if self.stdin.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        for (key, value) in &self.env {
            command.env(key, value);
        }
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        let mut child = command
            .spawn()
            .with_context(|| format!("failed to start `{program}`"))?;
        if let (Some(bytes), Some(mut pipe)) = (self.stdin.clone(), child.stdin.take()) {
            thread::spawn(move || {
                // The command may end before it has read all: then its status tells.
                let _ = pipe.write_all(&bytes);
            });
        }
        let stdout = collect(child.stdout.take());
        let stderr = collect(child.stderr.take());
        let code = wait(&mut child, self.timeout);
        if code.is_none() {
            let _ = child.kill();
            let _ = child.wait();
            bail!(
                "`{}` took longer than {:?} and was killed",
                self.shown(),
                self.timeout
            );
        }
        let join = |handle: thread::JoinHandle<String>| {
            handle
                .join()
                .map_err(|_| anyhow!("reader of `{}` failed", self.shown()))
        };
        Ok(Finished {
            code: code.unwrap_or(-1),
            stdout: join(stdout)?,
            stderr: join(stderr)?,
        })
    }

    fn shown(&self) -> String {
        let mut text = self.argv.join(" ");
        if text.len() > 300 {
            let mut cut = 300;
            while !text.is_char_boundary(cut) {
                cut -= 1;
            }
            text.truncate(cut);
            text.push('…');
        }
        text
    }
}

/// Runs a command given as words.
///
/// # Errors
/// As [`Exec::run`].
pub fn run<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Result<String> {
    Exec::new(argv).run()
}

/// Starts a long-running program that outlives this one, in a session of its own, inside the
/// lab's process cgroup from its first instruction on, with its output appended to `log`.
/// Returns its process id.
///
/// `cgroup_procs` is the `cgroup.procs` file that the program enters before it is executed, so
/// that `down` finds it (and all that it starts) even when this process is killed meanwhile.
///
/// # Errors
/// When the log cannot be opened or the shell cannot start.
pub fn daemon(
    argv: &[String],
    env: &[(&str, String)],
    log: &Path,
    cgroup_procs: &Path,
) -> Result<u32> {
    let out = File::options()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("failed to open log {}", log.display()))?;
    let mut command = Command::new("setsid");
    command
        .args(["sh", "-c", r#"echo 0 > "$0" && exec "$@""#])
        .arg(cgroup_procs)
        .args(argv)
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .current_dir("/");
    for (key, value) in env {
        command.env(key, value);
    }
    let child = command
        .spawn()
        .with_context(|| format!("failed to start `{}`", argv.join(" ")))?;
    Ok(child.id())
}

/// Polls `check` until it says yes or the limit is over; false then.
pub fn wait_until(limit: Duration, pause: Duration, mut check: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if check() {
            return true;
        }
        if start.elapsed() > limit {
            return false;
        }
        thread::sleep(pause);
    }
}

/// The last lines of a text, as one line for an error message.
pub fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let start = lines.len().saturating_sub(count);
    let mut joined = String::new();
    for line in lines.iter().skip(start) {
        let _ = write!(
            joined,
            "{}{}",
            if joined.is_empty() { "" } else { " | " },
            line.trim()
        );
    }
    joined
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The exit code, or none when the limit was reached.
fn wait(child: &mut Child, limit: Duration) -> Option<i32> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.code().unwrap_or(-1)),
            Ok(None) if start.elapsed() < limit => thread::sleep(pause),
            Ok(None) | Err(_) => return None,
        }
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failing_command_says_command_status_and_stderr() {
        let error = run(["sh", "-c", "echo one; echo broken >&2; exit 7"])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("status 7") && error.contains("broken"),
            "{error}"
        );
    }

    #[test]
    fn slow_command_is_killed() {
        let error = Exec::new(["sleep", "5"])
            .timeout(Duration::from_millis(50))
            .run()
            .unwrap_err();
        assert!(error.to_string().contains("took longer"), "{error}");
    }

    #[test]
    fn stdin_reaches_the_command() {
        assert_eq!(Exec::new(["cat"]).stdin("hello").run().unwrap(), "hello");
    }
}
