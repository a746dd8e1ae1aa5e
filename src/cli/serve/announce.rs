//! What is printed when the ports listen: a line for programs, and in standalone mode lines for people to paste.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The reviews that ship with the sources.
const EXAMPLES: &str = "manifests/examples/reviews";

/// What was bound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub(super) https: SocketAddr,
    pub(super) ops: SocketAddr,
}

impl Ports {
    /// One line of JSON on standard output.
    pub(super) fn print(&self) -> io::Result<()> {
        let line = serde_json::json!({ "https": self.https.to_string(), "ops": self.ops.to_string() });
        let mut out = io::stdout().lock();
        writeln!(out, "{line}")?;
        out.flush()
    }
}

/// Lines for people, on standard error: reviews to send with curl from any folder.
pub(super) fn print_curl_lines(ports: &Ports, ca_file: Option<&Path>) {
    let mut text = String::from("\nTry it from another shell:\n");
    for line in curl_lines(ports, ca_file, &examples(Path::new(EXAMPLES))) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {line}");
    }
    drop(writeln!(io::stderr(), "{text}"));
}

fn curl_lines(ports: &Ports, ca_file: Option<&Path>, examples: &[PathBuf]) -> Vec<String> {
    let trust = ca_file
        .map(|file| format!(" --cacert {}", quoted(&absolute(file))))
        .unwrap_or_default();
    let base = format!("https://localhost:{}", ports.https.port());
    let mut lines: Vec<String> = examples
        .iter()
        .map(|file| {
            format!(
                "curl -sS{trust} -H 'Content-Type: application/json' --data-binary @{} {base}{}",
                quoted(&absolute(file)),
                route(file),
            )
        })
        .collect();
    lines.push(format!("curl -sS http://localhost:{}/readyz", ports.ops.port()));
    lines
}

/// The examples in order; none where the program runs without its sources.
fn examples(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
}

/// Where an example goes: its name begins with `mutate` or `convert`, all others are judged.
fn route(file: &Path) -> &'static str {
    use crate::webhook::Path as Route;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let route = [Route::Mutate, Route::Convert]
        .into_iter()
        .find(|route| name.starts_with(route.label()));
    route.unwrap_or(Route::Validate).route()
}

fn absolute(file: &Path) -> PathBuf {
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned())
}

/// As a shell reads it back.
fn quoted(file: &Path) -> String {
    let text = file.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_can_be_pasted_into_a_shell() {
        let ports = Ports {
            https: "127.0.0.1:41234".parse().unwrap(),
            ops: "127.0.0.1:41235".parse().unwrap(),
        };
        let examples = [
            PathBuf::from("/x/it's.json"),
            PathBuf::from("/x/mutate-windows.json"),
        ];
        let lines = curl_lines(&ports, Some(Path::new("/y/ca.crt")), &examples);
        assert_eq!(
            lines[0],
            r"curl -sS --cacert /y/ca.crt -H 'Content-Type: application/json' --data-binary @'/x/it'\''s.json' https://localhost:41234/validate"
        );
        assert!(lines[1].ends_with("@/x/mutate-windows.json https://localhost:41234/mutate"));
        assert_eq!(lines[2], "curl -sS http://localhost:41235/readyz");
    }
}
