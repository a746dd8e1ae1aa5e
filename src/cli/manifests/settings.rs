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

#[cfg(test)]
mod tests {
    use super::*;

    fn made(files: &[(&str, &str)]) -> Made {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let mut made = read(&Args {
            dir: dir.path().to_owned(),
            name: Some("echo".to_owned()),
        })
        .unwrap();
        let prefix = format!("{}/openapi/", dir.path().display());
        for line in &mut made.told {
            *line = line.replace(&prefix, "");
        }
        made
    }

    #[test]
    fn says_in_yaml_what_the_files_say() {
        let schema = "x-config-version: 2\ntype: object\nproperties:\n  a:\n    type: string\n    \
                      pattern: '^[^\\\\\\s\"'':#]+$'\n    default: \"yes\"\n    example: \"1.0\"\n";
        let step = "version: 2\nconversions:\n- |-\n  .a = \"\\(.b): # {x}\"\n  | del(.b)\n";
        let made = made(&[
            ("openapi/config-values.yaml", schema),
            ("openapi/conversions/v2.yaml", step),
        ]);
        assert_eq!(made.told, Vec::<String>::new());
        let document = made.document.unwrap();
        let reading = documents::parse("definition.yaml", document.as_bytes());
        let object = &reading.documents[0].value;
        let file = |text: &str| {
            documents::parse("x.yaml", text.as_bytes()).documents[0]
                .value
                .clone()
        };
        assert_eq!(object["metadata"], json!({"name": "echo"}));
        assert_eq!(
            object["spec"],
            json!({"versions": [{
                "name": "2",
                "schema": {"openAPIV3Schema": file(schema)},
                "conversions": [{"expr": file(step)["conversions"]}],
            }]})
        );
        let definition = Definition::from_spec(&object["spec"]);
        assert_eq!(definition.problems(), []);
    }

    #[test]
    fn names_file_and_line_of_what_cannot_be_used() {
        let schema = "x-config-version: 3\ntype: object\nx-kubernetes-validations:\n- rule: self.a ==\n  message: m\n\
                      properties:\n  a:\n    type: string\n    pattern: '^(?=x)'\n";
        let made = made(&[
            ("openapi/config-values.yaml", schema),
            (
                "openapi/conversions/v2.yaml",
                "version: 2\nconversions:\n- .\n- halt\n",
            ),
            ("openapi/conversions/v3.yaml", "version: 3\nconversions: [.]\n"),
        ]);
        assert_eq!(made.document, None);
        let told = made.told.join("\n");
        for (place, words) in [
            (
                "config-values.yaml:4: x-kubernetes-validations[0]: ",
                "the rule is skipped",
            ),
            ("config-values.yaml:9: properties.a.pattern: ", "left out"),
            ("conversions/v2.yaml:4: ", "undefined filter \"halt\""),
        ] {
            let line = told.lines().find(|line| line.starts_with(place));
            assert!(
                line.is_some_and(|line| line.contains(words)),
                "{place} in\n{told}"
            );
        }
        assert_eq!(made.told.len(), 3, "{told}");
    }

    #[test]
    fn refuses_files_that_do_not_fit_each_other() {
        let table: [(&str, &str, &str, &str); 5] = [
            (
                "type: object",
                "v2.yaml",
                "version: 2\nconversions: [.]",
                "conversions/v2.yaml:1: leads to version 2",
            ),
            (
                "x-config-version: 2",
                "v2.yaml",
                "version: 1\nconversions: [.]",
                "conversions/v2.yaml:1: version must be",
            ),
            (
                "x-config-version: 2",
                "v2.yaml",
                "version: 2\nversion: 2\nconversions: [.]",
                "conversions/v2.yaml:2: key 'version' is there twice",
            ),
            ("a: [", "v2.yaml", "version: 2", "config-values.yaml:1: "),
            (
                "properties: {a: {$ref: \"file:///etc/passwd\"}}",
                "x.txt",
                "",
                "config-values.yaml:1: properties.a: $ref",
            ),
        ];
        for (schema, file, step, expected) in table {
            let file = format!("openapi/conversions/{file}");
            let made = made(&[("openapi/config-values.yaml", schema), (&file, step)]);
            assert_eq!(made.document, None, "{schema}");
            assert!(
                made.told.iter().any(|line| line.starts_with(expected)),
                "{expected}: {:?}",
                made.told
            );
        }
    }

    #[test]
    fn takes_the_name_from_module_yaml_or_asks_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let read = |name: Option<&str>| {
            read(&Args {
                dir: dir.path().to_owned(),
                name: name.map(str::to_owned),
            })
        };
        let openapi = dir.path().join("openapi");
        assert!(
            read(None)
                .unwrap_err()
                .to_string()
                .contains("config-values.yaml is not there")
        );
        std::fs::create_dir(&openapi).unwrap();
        std::fs::write(openapi.join("config-values.yaml"), "type: object\n").unwrap();
        assert!(read(None).unwrap_err().to_string().contains("--name NAME"));
        assert!(read(Some("Echo_1")).unwrap_err().to_string().contains("'Echo_1'"));
        std::fs::write(dir.path().join("module.yaml"), "name: hello\n").unwrap();
        assert!(read(None).unwrap().document.unwrap().contains("name: hello\n"));
        assert!(
            read(Some("echo"))
                .unwrap()
                .document
                .unwrap()
                .contains("name: echo\n")
        );
    }
}
