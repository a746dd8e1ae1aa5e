//! The parent: starts children, bounds them, keeps results.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::timeout;

use super::SUBCOMMAND;
use super::cache::Cache;
use super::outcome::{ConversionError, Limit};
use super::protocol::{Answer, MAX_ANSWER, MAX_REQUEST, Request, StepOut};
use crate::settings::{Definition, PathFrom};

/// Bytes of a child's standard error that are read, to tell how it ended.
const MAX_LAST_WORDS: u64 = 4096;
/// Definitions that are marked at a time.
const MARKED: usize = 1024;

/// Bounds of a [`Converter`].
#[derive(Clone, Debug)]
pub struct ConverterOptions {
    /// The program to re-execute; its [`SUBCOMMAND`] converts.
    pub program: PathBuf,
    /// Children at a time.
    pub children: usize,
    /// Conversions that wait for a child.
    pub waiting: usize,
    /// Time on the clock that one child has. Its processor time is bounded far closer; this ends what waits, and
    /// on a machine so busy that a conversion of milliseconds takes as long, nothing else would work either.
    pub time: Duration,
    /// Results that are kept.
    pub kept: usize,
    /// Bytes of settings above which a result is not kept.
    pub kept_size: usize,
}

impl Default for ConverterOptions {
    fn default() -> Self {
        Self {
            // Also right when the file was replaced under the running program, as an upgrade does.
            program: PathBuf::from("/proc/self/exe"),
            children: 4,
            waiting: 64,
            time: Duration::from_secs(10),
            kept: 256,
            kept_size: 256 << 10,
        }
    }
}

/// What happened, for metrics and logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A result was there already.
    Kept,
    /// A child converted in this time.
    Converted(Duration),
    /// A filter failed.
    Failed,
    /// A filter broke a limit, and the definition with this digest is marked.
    Marked {
        /// [`Definition::digest`].
        digest: String,
        /// The limit that was broken.
        limit: Limit,
    },
    /// A marked definition was asked for again and refused at once.
    RefusedMarked,
    /// Too many waited.
    Busy,
    /// The child could not be started or talked to.
    ProcessFailed,
}

/// Definition, version, settings.
type Key = (String, u32, [u8; 32]);
type Kept = Arc<OnceCell<Result<Arc<Value>, ConversionError>>>;
type Hook = Box<dyn Fn(&Event) + Send + Sync>;

/// Converts settings to the latest version of their definition. Cheap to clone, shared by all reviews.
#[derive(Clone)]
pub struct Converter(Arc<Inner>);

struct Inner {
    options: ConverterOptions,
    children: Semaphore,
    waiting: AtomicUsize,
    kept: Mutex<Cache<Key, Kept>>,
    marked: Mutex<Cache<String, Limit>>,
    hook: Hook,
}

impl Converter {
    /// A converter that tells `hook` what happens: it is called on the async threads and must not block.
    #[must_use]
    pub fn new(options: ConverterOptions, hook: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner {
            children: Semaphore::new(options.children.max(1)),
            waiting: AtomicUsize::new(0),
            kept: Mutex::new(Cache::new(options.kept)),
            marked: Mutex::new(Cache::new(MARKED)),
            hook: Box::new(hook),
            options,
        }))
    }

    /// Settings of `version`, brought to the latest version of the definition, by `deadline`.
    ///
    /// The same settings are converted once, however many ask at a time. A conversion that is not ready by the
    /// deadline goes on within its own limits, so that the next to ask finds its result.
    pub async fn convert(
        &self,
        definition: &Definition,
        version: u32,
        settings: &Value,
        deadline: Instant,
    ) -> Result<Arc<Value>, ConversionError> {
        let (from, to) = (version, definition.latest());
        let steps = match definition.path_from(version) {
            PathFrom::Same => return Ok(Arc::new(settings.clone())),
            PathFrom::None => return Err(ConversionError::NoPath { from, to }),
            PathFrom::Steps(steps) => steps,
        };
        let inner = &self.0;
        if let Some(limit) = lock(&inner.marked).get(&definition.digest().to_owned()) {
            (inner.hook)(&Event::RefusedMarked);
            return Err(ConversionError::Limit { from, to, limit });
        }
        let text = settings.to_string();
        let key: Key = (
            definition.digest().to_owned(),
            version,
            Sha256::digest(&text).into(),
        );
        let kept = lock(&inner.kept).get_or_insert_with(&key, Kept::default);
        if let Some(result) = kept.get() {
            (inner.hook)(&Event::Kept);
            return result.clone();
        }
        let steps = steps
            .iter()
            .map(|step| StepOut {
                from: step.from,
                to: step.to,
                filters: step.filters,
            })
            .collect();
        let request = Request {
            steps,
            secret_names: definition.sensitive_names(),
            settings,
        };
        let request = serde_json::to_vec(&request).map_err(|error| ConversionError::Process {
            from,
            to,
            source: Arc::new(error.into()),
        })?;
        if request.len() as u64 > MAX_REQUEST {
            return Err(ConversionError::Limit {
                from,
                to,
                limit: Limit::Output,
            });
        }
        let job = Job {
            inner: Arc::clone(inner),
            key,
            kept,
            request,
            from,
            to,
        };
        let task = tokio::spawn(job.run());
        match tokio::time::timeout_at(deadline.into(), task).await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => {
                let source = Arc::new(io::Error::other(panic.to_string()));
                Err(ConversionError::Process { from, to, source })
            }
            Err(_) => Err(ConversionError::Deadline { from, to }),
        }
    }
}

/// One conversion, on its own from the caller.
struct Job {
    inner: Arc<Inner>,
    key: Key,
    kept: Kept,
    request: Vec<u8>,
    from: u32,
    to: u32,
}

impl Job {
    async fn run(self) -> Result<Arc<Value>, ConversionError> {
        let result = self.kept.get_or_init(|| self.convert()).await.clone();
        let large = |value: &Arc<Value>| self.request.len().max(size(value)) > self.inner.options.kept_size;
        let forget = match &result {
            Ok(value) => large(value),
            Err(error) => error.is_transient(),
        };
        if forget {
            lock(&self.inner.kept).remove(&self.key);
        }
        result
    }

    async fn convert(&self) -> Result<Arc<Value>, ConversionError> {
        let (inner, from, to) = (&self.inner, self.from, self.to);
        let Some(_place) = Waiting::enter(&inner.waiting, inner.options.waiting + inner.options.children)
        else {
            (inner.hook)(&Event::Busy);
            return Err(ConversionError::Busy { from, to });
        };
        let Ok(_permit) = inner.children.acquire().await else {
            return Err(ConversionError::Busy { from, to });
        };
        let started = Instant::now();
        let result = self.in_child().await;
        (inner.hook)(&match &result {
            Ok(_) => Event::Converted(started.elapsed()),
            Err(ConversionError::Limit { limit, .. }) => {
                let digest = self.key.0.clone();
                lock(&inner.marked).get_or_insert_with(&digest, || *limit);
                Event::Marked {
                    digest,
                    limit: *limit,
                }
            }
            Err(ConversionError::Filter { .. }) => Event::Failed,
            Err(_) => Event::ProcessFailed,
        });
        result
    }

    async fn in_child(&self) -> Result<Arc<Value>, ConversionError> {
        let (from, to) = (self.from, self.to);
        let process = |error: io::Error| ConversionError::Process {
            from,
            to,
            source: Arc::new(error),
        };
        let broken = |limit| ConversionError::Limit { from, to, limit };
        let mut child = start(&self.inner.options).map_err(process)?;
        let spoken = match timeout(self.inner.options.time, talk(&mut child, &self.request)).await {
            Ok(Ok(spoken)) if spoken.answer.len() as u64 > MAX_ANSWER => Err(broken(Limit::Output)),
            Ok(Ok(spoken)) => Ok(spoken),
            Ok(Err(error)) => Err(process(error)),
            Err(_) => Err(broken(Limit::Time)),
        };
        // Both streams are at their end, so nothing is left to wait for; a child that stays all the same is ended.
        let ended = match &spoken {
            Ok(_) => timeout(self.inner.options.time, child.wait()).await.ok(),
            Err(_) => None,
        };
        let Some(status) = ended else {
            // Killed and reaped.
            child.kill().await.map_err(process)?;
            spoken?;
            return Err(broken(Limit::Time));
        };
        let (status, spoken) = (status.map_err(process)?, spoken?);
        if !status.success() {
            return Err(broken(how_it_ended(status, &spoken.last_words)));
        }
        match serde_json::from_slice::<Answer>(&spoken.answer) {
            Ok(Answer::Settings(settings)) => Ok(Arc::new(settings)),
            Ok(Answer::Failed(failure)) => Err(ConversionError::Filter {
                from: failure.from,
                to: failure.to,
                filter: failure.filter,
                message: failure.message,
            }),
            Err(error) => Err(process(error.into())),
        }
    }
}

fn start(options: &ConverterOptions) -> io::Result<Child> {
    Command::new(&options.program)
        .arg(SUBCOMMAND)
        .env_clear()
        // Not for filters, which see no environment, but for the allocator: by itself it takes a gigabyte of
        // writable addresses when the program starts, out of reach of the child's own limit.
        .env("MIMALLOC_ARENA_RESERVE", "32768")
        .env("MIMALLOC_ARENA_EAGER_COMMIT", "0")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

struct Spoken {
    answer: Vec<u8>,
    last_words: Vec<u8>,
}

/// Writes and reads at once: a child that ends early or says much must not stop either.
async fn talk(child: &mut Child, request: &[u8]) -> io::Result<Spoken> {
    let pipe = || io::Error::other("a pipe is missing");
    let mut input = child.stdin.take().ok_or_else(pipe)?;
    let output = child.stdout.take().ok_or_else(pipe)?;
    let errors = child.stderr.take().ok_or_else(pipe)?;
    let write = async move {
        // A child that ended closes its end: how it ended says more than the broken pipe.
        let _ = input.write_all(request).await;
        drop(input);
    };
    let mut answer = Vec::new();
    let mut last_words = Vec::new();
    let mut output = output.take(MAX_ANSWER + 1);
    let mut errors = errors.take(MAX_LAST_WORDS);
    let ((), read, heard) = tokio::join!(
        write,
        output.read_to_end(&mut answer),
        errors.read_to_end(&mut last_words)
    );
    read?;
    heard?;
    Ok(Spoken { answer, last_words })
}

/// Rust says on standard error which of its own limits ended it.
fn how_it_ended(status: std::process::ExitStatus, last_words: &[u8]) -> Limit {
    use std::os::unix::process::ExitStatusExt;
    const SIGXCPU: i32 = 24;
    const SIGKILL: i32 = 9;
    let words = String::from_utf8_lossy(last_words);
    if words.contains("overflowed its stack") {
        Limit::Depth
    } else if words.contains("memory allocation") || words.contains("out of memory") {
        Limit::Memory
    } else {
        match status.signal() {
            // Soft and hard limit are one, so the kernel may send either.
            Some(SIGXCPU | SIGKILL) => Limit::Cpu,
            _ => Limit::Crash,
        }
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Object(object) => {
            object
                .iter()
                .map(|(key, value)| key.len() + size(value))
                .sum::<usize>()
                + 2
        }
        Value::Array(items) => items.iter().map(size).sum::<usize>() + 2,
        Value::String(text) => text.len() + 2,
        _ => 8,
    }
}

/// A place in the queue, given back when dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize, limit: usize) -> Option<Self> {
        let before = count.fetch_add(1, Ordering::Relaxed);
        let place = Self(count);
        (before < limit).then_some(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// No lock is held across anything that can panic half-way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
