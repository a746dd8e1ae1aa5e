//! The child: limits itself, converts once, ends.
//!
//! It has no environment, no files and no way to open any, no clock that a filter could ask, and nothing of the
//! server's memory but the program itself.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use jaq_json::Val;
use rustix::process::{Resource, Rlimit, setrlimit};
use serde_json::Value;

use super::mask::masked;
use super::protocol::{Answer, Failure, MAX_ANSWER, MAX_REQUEST, RequestIn};
use crate::settings::compile_filter;

/// Seconds of processor time. A conversion of the largest settings takes a tenth of it.
const CPU_SECONDS: u64 = 1;
/// Bytes of memory that can be written to, over what the program has when it starts; the stack included.
const DATA: u64 = 256 << 20;
/// Bytes of addresses: allocators reserve far more than they use.
const ADDRESSES: u64 = 8 << 30;
/// The stack of the one thread that converts: deep enough for settings of any depth that the API server takes.
const STACK: usize = 32 << 20;

/// Converts what standard input says and answers on standard output. The command line's hidden subcommand
/// [`super::SUBCOMMAND`] calls it before it sets up anything else: no threads, no runtime, no logging.
#[must_use]
pub fn run() -> ExitCode {
    match limit_self().and_then(|()| converse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn limit_self() -> io::Result<()> {
    let limits = [
        (Resource::Cpu, CPU_SECONDS),
        (Resource::Data, data_now()?.saturating_add(DATA)),
        (Resource::As, ADDRESSES),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        // What is open stays open; nothing more can be.
        (Resource::Nofile, 0),
    ];
    for (resource, limit) in limits {
        setrlimit(
            resource,
            Rlimit {
                current: Some(limit),
                maximum: Some(limit),
            },
        )?;
    }
    Ok(())
}

/// Bytes of writable memory that the program has, touched or not: an allocator may have reserved much.
fn data_now() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmData:"))
        .and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kilobytes
        .map(|number| number << 10)
        .ok_or_else(|| io::Error::other("no VmData in /proc/self/status"))
}

fn converse() -> io::Result<()> {
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(|| {
        let mut text = Vec::new();
        io::stdin().lock().take(MAX_REQUEST + 1).read_to_end(&mut text)?;
        let request: RequestIn = serde_json::from_slice(&text)?;
        drop(text);
        let answer = serde_json::to_vec(&convert(&request))?;
        let mut out = io::stdout().lock();
        // One byte over the limit tells the parent, which reads no farther.
        let end = answer.len().min(
            usize::try_from(MAX_ANSWER)
                .unwrap_or(usize::MAX)
                .saturating_add(1),
        );
        out.write_all(&answer[..end])?;
        out.flush()
    })?;
    thread
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the converting thread panicked")))
}

/// Applies the steps; the first failure ends it.
fn convert(request: &RequestIn) -> Answer {
    let failed = |from, to, filter, message| {
        Answer::Failed(Failure {
            from,
            to,
            filter,
            message,
        })
    };
    let mut value: Val = match serde_json::from_value(request.settings.clone()) {
        Ok(value) => value,
        Err(_) => return failed(0, 0, 0, "the settings cannot be read".to_owned()),
    };
    for step in &request.steps {
        for (index, code) in step.filters.iter().enumerate() {
            let message = match apply(code, value) {
                Ok(next) => {
                    value = next;
                    continue;
                }
                Err(message) => masked(&message, code, &request.settings, &request.secret_names),
            };
            return failed(step.from, step.to, index + 1, message);
        }
    }
    if let Ok(settings) = serde_json::from_str::<Value>(&value.to_string()) {
        return Answer::Settings(settings);
    }
    let (from, to, filter) = request
        .steps
        .last()
        .map_or((0, 0, 0), |step| (step.from, step.to, step.filters.len()));
    failed(
        from,
        to,
        filter,
        "the result cannot be written as JSON".to_owned(),
    )
}

fn apply(code: &str, value: Val) -> Result<Val, String> {
    let filter = compile_filter(code)?;
    match filter.run(value)? {
        Some(object @ Val::Obj(_)) => Ok(object),
        Some(other) => Err(format!("gave {} instead of an object", kind(&other))),
        None => Err("gave nothing".to_owned()),
    }
}

fn kind(value: &Val) -> &'static str {
    match value {
        Val::Null => "null",
        Val::Bool(_) => "a boolean",
        Val::Num(_) => "a number",
        Val::BStr(_) | Val::TStr(_) => "a string",
        Val::Arr(_) => "an array",
        Val::Obj(_) => "an object",
    }
}
