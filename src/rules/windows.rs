//! Update windows, in policies and in the platform's own settings (MUP-1, MUP-3).

use super::CauseReason;
use super::finding::Findings;
use crate::api::words;
use crate::values::{Day, TimeOfDay, Window, Windows};
use serde_json::Value;

/// How many windows are looked at: more are refused by the schema, and comparing each with each must stay cheap.
const MAX_WINDOWS: usize = 64;
/// How many days of a window are looked at, likewise.
const MAX_DAYS: usize = 7;

/// Judges each window's own fields, then the windows that can be read against each other.
pub(super) fn judge(path: &str, windows: &[Value], findings: &mut Findings) {
    let read: Vec<(usize, Window)> = windows
        .iter()
        .take(MAX_WINDOWS)
        .enumerate()
        .filter_map(|(i, window)| Some((i, self::window(&format!("{path}[{i}]"), window, findings)?)))
        .collect();
    let (positions, windows): (Vec<usize>, Vec<Window>) = read.into_iter().unzip();
    for overlap in Windows::new(windows).overlaps() {
        let (first, second) = (positions[overlap.first], positions[overlap.second]);
        let message = if overlap.duplicate {
            format!("{path}[{second}] is the same window as {path}[{first}]: remove one")
        } else {
            format!("{path}[{second}] overlaps {path}[{first}]: one window that spans both says the same")
        };
        findings.warn("MUP-3", format!("{path}[{second}]"), message);
    }
}

/// One window; `None` where it cannot be read, which is either told here or by the schema.
fn window(path: &str, window: &Value, findings: &mut Findings) -> Option<Window> {
    let from = time(path, "from", window, findings);
    let to = time(path, "to", window, findings);
    let days = days(path, window, findings);
    let (from, to) = (from?, to?);
    // Told whatever the days are.
    if from == to {
        let written = window["to"].as_str().unwrap_or_default();
        findings.refuse(
            "MUP-1",
            format!("{path}.to"),
            CauseReason::Invalid,
            words::EMPTY_WINDOW.about(written),
        );
    }
    Window::new(from, to, &days?).ok()
}

fn time(path: &str, field: &str, window: &Value, findings: &mut Findings) -> Option<TimeOfDay> {
    let text = window.get(field)?.as_str()?;
    let time = TimeOfDay::parse(text).ok();
    if time.is_none() {
        findings.refuse(
            "MUP-1",
            format!("{path}.{field}"),
            CauseReason::Invalid,
            words::TIME_OF_DAY.about(text),
        );
    }
    time
}

/// The days; `None` where one of them is unknown, after each has been told.
fn days(path: &str, window: &Value, findings: &mut Findings) -> Option<Vec<Day>> {
    let Some(list) = window.get("days") else {
        return Some(Vec::new());
    };
    let texts = list
        .as_array()?
        .iter()
        .take(MAX_DAYS)
        .map(Value::as_str)
        .collect::<Option<Vec<_>>>()?;
    let mut days = Vec::with_capacity(texts.len());
    for (i, text) in texts.iter().enumerate() {
        match Day::parse(text) {
            Ok(day) => days.push(day),
            Err(error) => {
                let field = format!("{path}.days[{i}]");
                findings.refuse("MUP-1", field, CauseReason::NotSupported, error.to_string());
            }
        }
    }
    (days.len() == texts.len()).then_some(days)
}
