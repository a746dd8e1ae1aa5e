//! The ModuleSettingsDefinition of a module, out of its sources: what Hatchway makes of the module's image.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::ValueHint;
use serde_json::{Value, json};

use super::{output, yaml};
use crate::api::{GROUP, Kind};
use crate::documents::{self, Document};
use crate::settings::{AuthorError, Conversion, Definition, LoadProblem, Part, ProblemKind, author};
use crate::values::ModuleName;

/// The module.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The module's folder, with openapi/config-values.yaml and openapi/conversions
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    dir: PathBuf,
    /// The module's name [default: the one in module.yaml]
    #[arg(long, env = "HATCHWAY_NAME", value_name = "NAME")]
    name: Option<String>,
}

/// What a module's sources come to.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// The object as YAML; `None` where what was found keeps it from being of use.
    pub(super) document: Option<String>,
    /// `FILE:LINE: message` of everything that was found.
    told: Vec<String>,
}

/// Prints the definition, or on standard error what is wrong with it: exit code 1.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Made { document, told } = read(args)?;
    let mut text = String::new();
    for line in told {
        let _ = writeln!(text, "{line}");
    }
    // Nobody is left to be told when standard error is gone.
    drop(std::io::stderr().write_all(text.as_bytes()));
    let Some(document) = document else {
        return Ok(ExitCode::FAILURE);
    };
    output::print(&yaml::join(&[document]))?;
    Ok(ExitCode::SUCCESS)
}

/// Makes the definition; the error is that of a folder that is no module's.
pub(super) fn read(Args { dir, name }: &Args) -> anyhow::Result<Made> {
    ensure!(
        dir.is_dir(),
        "{} is no folder: name that of a module",
        dir.display()
    );
    let mut made = Made::default();
    let openapi = dir.join("openapi");
    let config_values = one(&openapi.join("config-values.yaml"), &mut made)?;
    let steps = conversions(&openapi.join("conversions"), &mut made)?;
    let name = match name {
        Some(name) => name.clone(),
        None => name_of(dir, &mut made)?,
    };
    if let Err(error) = ModuleName::parse(&name) {
        bail!("'{name}' cannot be a module's name: {error}");
    }
    let Some(config_values) = config_values.filter(|_| made.told.is_empty()) else {
        return Ok(made);
    };
    let parsed: Vec<Conversion> = steps
        .iter()
        .map(|(file, document)| Conversion {
            file: file.clone(),
            content: document.value.clone(),
        })
        .collect();
    let spec = match author(&config_values.value, &parsed) {
        Ok(spec) => spec,
        Err(error) => {
            made.tell_author(&config_values, &steps, &error);
            return Ok(made);
        }
    };
    let mut is_fine = true;
    for problem in Definition::from_spec(&spec).problems() {
        // An estimate that is too high keeps nothing from working.
        is_fine &= problem.kind == ProblemKind::Cost;
        made.tell_problem(&config_values, &steps, problem);
    }
    if is_fine {
        made.document = Some(object(&name, spec)?);
    }
    Ok(made)
}

fn object(name: &str, spec: Value) -> anyhow::Result<String> {
    let kind = Kind::ModuleSettingsDefinition;
    yaml::print(&json!({
        "apiVersion": format!("{GROUP}/{}", kind.storage_version()),
        "kind": kind.name(),
        "metadata": {"name": name},
        "spec": spec,
    }))
}

impl Made {
    fn tell(&mut self, document: &Document, field: &str, message: &str) {
        let line = document.place_of(field).line;
        self.told.push(format!("{}:{line}: {message}", document.file));
    }

    fn tell_author(&mut self, config_values: &Document, steps: &[(String, Document)], error: &AuthorError) {
        match error {
            AuthorError::Schema(message) => self.tell(config_values, "x-config-version", message),
            AuthorError::Conversion { file, message } => {
                if let Some((_, document)) = steps.iter().find(|(name, _)| name == file) {
                    self.tell(document, "version", message);
                }
            }
        }
    }

    fn tell_problem(
        &mut self,
        config_values: &Document,
        steps: &[(String, Document)],
        problem: &LoadProblem,
    ) {
        match problem.part() {
            Part::Filter { version, index } => {
                let step = steps.iter().find(|(_, step)| step.value["version"] == version);
                if let Some((_, document)) = step {
                    self.tell(document, &format!("conversions[{index}]"), &problem.message);
                }
            }
            Part::Schema { field, .. } => {
                let message = format!("{field}: {}", problem.message);
                self.tell(config_values, field, message.trim_start_matches(": "));
            }
            Part::Other => self.tell(config_values, "", &problem.to_string()),
        }
    }
}

/// The one document of a file; `None` where it could not be read, which is told.
fn one(path: &Path, made: &mut Made) -> anyhow::Result<Option<Document>> {
    ensure!(path.is_file(), "{} is not there", path.display());
    let reading = documents::read(path);
    let told = made.told.len();
    for problem in &reading.problems {
        made.told.push(format!(
            "{}:{}: {}",
            problem.file, problem.place.line, problem.message
        ));
    }
    let mut found = reading.documents.into_iter();
    let first = found.next();
    if let Some(second) = found.next() {
        made.tell(&second, "", "a second document: leave one");
    }
    for duplicate in first.iter().flat_map(Document::duplicates) {
        made.told.push(format!(
            "{}:{}: key '{}' is there twice: remove one",
            path.display(),
            duplicate.place.line,
            duplicate.path
        ));
    }
    if first.is_none() && made.told.len() == told {
        made.told.push(format!("{}:1: the file is empty", path.display()));
    }
    Ok(first)
}

/// The steps between versions, with the names of their files.
fn conversions(dir: &Path, made: &mut Made) -> anyhow::Result<Vec<(String, Document)>> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let mut steps = Vec::new();
    for path in documents::folder(dir).context("cannot list the conversions")? {
        let file = path.strip_prefix(dir).unwrap_or(&path).display().to_string();
        if let Some(document) = one(&path, made)? {
            steps.push((file, document));
        }
    }
    Ok(steps)
}

fn name_of(dir: &Path, made: &mut Made) -> anyhow::Result<String> {
    let path = dir.join("module.yaml");
    ensure!(
        path.is_file(),
        "{} is not there: say the module's name with --name NAME",
        path.display()
    );
    let name = one(&path, made)?.and_then(|module| module.value["name"].as_str().map(str::to_owned));
    name.with_context(|| format!("{} says no name: say it with --name NAME", path.display()))
}
