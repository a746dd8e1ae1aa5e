//! A program that runs beside a test and never outlives it; see `keeper.sh` for how.

use std::io::{BufRead, BufReader, Lines};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

pub(crate) use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

/// A running program. Dropping it kills the program and waits until it is gone.
pub(crate) struct Process {
    keeper: Child,
    /// Closed by the drop, or by the kernel when this process is gone: the keeper's sign to clean up.
    alive: Option<ChildStdin>,
    pid: Pid,
    exit: Arc<Exit>,
    log: PathBuf,
}

/// The exit code, once there is one.
#[derive(Default)]
struct Exit {
    code: Mutex<Option<i32>>,
    known: Condvar,
}

impl Process {
    /// Starts a command: its program, arguments, environment and folder count; its output is appended to the file `log`.
    /// `folder`, when there is one, is removed after the program has ended with its test.
    pub(crate) fn start(command: &Command, log: &Path, folder: Option<&Path>) -> Self {
        let mut keeper =
            Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hatchway/support/keeper.sh"));
        keeper.arg(log).arg(folder.unwrap_or(Path::new("")));
        keeper.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => keeper.env(name, value),
                None => keeper.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            keeper.current_dir(folder);
        }
        // Output that the keeper inherited would keep a pipe behind `cargo test` open. Ctrl-C is for the test process:
        // the keeper, in a process group of its own, sees that end and cleans up.
        let mut keeper = keeper
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("bash and setpriv are there");

        let mut lines = BufReader::new(keeper.stdout.take().expect("piped")).lines();
        let pid = number(&mut lines)
            .and_then(Pid::from_raw)
            .expect("the keeper prints the process id");
        let exit = Arc::new(Exit::default());
        std::thread::spawn({
            let exit = Arc::clone(&exit);
            move || {
                *exit.code.lock().unwrap() = Some(number(&mut lines).unwrap_or(-1));
                exit.known.notify_all();
            }
        });
        Self {
            alive: keeper.stdin.take(),
            keeper,
            pid,
            exit,
            log: log.to_owned(),
        }
    }

    /// Sends a signal; nothing happens when the program has ended already.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.exit_code().is_none() {
            let _ended_just_now = kill_process(self.pid, signal);
        }
    }

    /// The exit code as a shell says it (128 and the signal's number for a killed program), or nothing while it runs.
    pub(crate) fn exit_code(&self) -> Option<i32> {
        *self.exit.code.lock().unwrap()
    }

    /// Waits for the program to end by itself, or after a signal.
    pub(crate) fn wait(&self, limit: Duration) -> i32 {
        let code = self.exit.code.lock().unwrap();
        let (code, _) = self
            .exit
            .known
            .wait_timeout_while(code, limit, |code| code.is_none())
            .unwrap();
        code.unwrap_or_else(|| panic!("still running after {limit:?}\n{}", self.log_tail()))
    }

    /// Asks again and again until `question` has an answer, for at most `limit`. A program that ends meanwhile, or gives
    /// no answer, fails the test with the end of its log.
    pub(crate) fn until<T>(&self, what: &str, limit: Duration, mut question: impl FnMut() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(answer) = question() {
                return answer;
            }
            if let Some(code) = self.exit_code() {
                panic!("exited with {code} before {what}\n{}", self.log_tail());
            }
            assert!(
                began.elapsed() < limit,
                "not within {limit:?}: {what}\n{}",
                self.log_tail()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// The program's process id, to measure it by.
    pub(crate) fn id(&self) -> Pid {
        self.pid
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.alive.take());
        let _code_says_nothing = self.keeper.wait();
    }
}

fn number(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<i32> {
    lines.next()?.ok()?.parse().ok()
}

mod tests {
    use super::*;

    /// A shell that runs the script.
    fn shell(script: &str) -> (Process, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("bash");
        command.args(["-c", script]);
        let process = Process::start(&command, &folder.path().join("log"), None);
        (process, folder)
    }

    #[test]
    fn a_program_is_gone_when_its_guard_is_dropped() {
        let (process, _folder) = shell("exec sleep 60");
        let pid = process.id();
        assert!(rustix::process::test_kill_process(pid).is_ok());
        drop(process);
        assert!(rustix::process::test_kill_process(pid).is_err());
    }

    #[test]
    fn a_folder_given_to_a_program_goes_with_it() {
        let folder = tempfile::tempdir().unwrap().keep();
        let process = Process::start(
            Command::new("sleep").arg("60"),
            &folder.join("log"),
            Some(&folder),
        );
        assert!(folder.exists());
        drop(process);
        assert!(!folder.exists());
    }

    #[test]
    fn a_program_hears_an_interrupt_and_its_exit_code_is_told() {
        let (process, _folder) = shell("exec sleep 60");
        // What comes on the way there may be lost: the keeper may have to make it heard first.
        let name = format!("/proc/{}/comm", process.id());
        process.until("the shell has become sleep", Duration::from_secs(30), || {
            (std::fs::read_to_string(&name).ok()? == "sleep\n").then_some(())
        });
        assert_eq!(process.exit_code(), None);
        process.signal(Signal::INT);
        assert_eq!(process.wait(Duration::from_secs(30)), 130);
        assert_eq!(process.exit_code(), Some(130));
    }

    #[test]
    #[should_panic(expected = "exited with 3 before it answers\nwhat went wrong")]
    fn a_program_that_ends_too_early_fails_the_test_with_its_log() {
        let (process, _folder) = shell("echo what went wrong; exit 3");
        process.until("it answers", Duration::from_secs(10), || None::<()>);
    }
}
