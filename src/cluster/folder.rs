//! A folder of files read once as a world: what `--state DIR` of the commands without a server means.

use super::intake::{self, Misfit};
use crate::documents::{self, Document, Problem};
use crate::world::World;
use std::collections::HashMap;
use std::io;
use std::path::Path;

/// Reads a folder as `serve --standalone` does, but unjudged: a world as it is, status and all, everything in its
/// storage version. What could not be taken in is in the problems, and the rest is in the world.
///
/// # Errors
/// When the folder cannot be listed; the error names it.
pub fn load(dir: &Path) -> io::Result<(World, Vec<Problem>)> {
    let mut world = World::new();
    let mut problems = Vec::new();
    let mut taken = HashMap::new();
    for path in documents::folder(dir)? {
        let reading = documents::read(&path);
        problems.extend(reading.problems);
        for document in reading.documents {
            let key = match intake::key(&document.value) {
                Ok(Some(key)) => key,
                Ok(None) => continue,
                Err(misfit) => {
                    problems.push(problem(&document, &misfit));
                    continue;
                }
            };
            if let Some(first) = taken.get(&key) {
                problems.push(problem(&document, &twice(first)));
                continue;
            }
            match stored(&document) {
                Ok(object) => world.insert(object),
                Err(misfit) => problems.push(problem(&document, &misfit)),
            }
            taken.insert(key, document);
        }
    }
    Ok((world, problems))
}

fn stored(document: &Document) -> Result<crate::world::Object, Misfit> {
    let (kind, ..) =
        crate::rules::admit::identify(&document.value).map_err(|error| intake::misfit(&error))?;
    intake::to_stored(kind, document.value.clone())
}

/// What is wrong with a second document about one object.
pub(super) fn twice(first: &Document) -> Misfit {
    let message = format!(
        "stands in {}:{} already, which counts: remove one of the two",
        first.file,
        first.start().line
    );
    Misfit::new("metadata.name", message)
}

fn problem(document: &Document, misfit: &Misfit) -> Problem {
    Problem {
        file: document.file.clone(),
        place: document.place_of(&misfit.field),
        message: format!("{}: {}", misfit.field, misfit.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Kind;
    use serde_json::json;

    #[test]
    fn a_folder_is_a_world_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, value: serde_json::Value| {
            std::fs::write(dir.path().join(name), value.to_string()).unwrap();
        };
        let config = |rest: serde_json::Value| {
            let mut value = rest;
            value["apiVersion"] = json!("deckhouse.io/v1alpha1");
            value["kind"] = json!("ModuleConfig");
            value
        };
        // Names a policy that is not there, is being deleted and has a status: nobody judges.
        let first = json!({
            "metadata": {"name": "echo", "uid": "u", "deletionTimestamp": "2026-01-02T03:04:05Z"},
            "spec": {"updatePolicy": "none"}, "status": {"message": "Ready"},
        });
        let moved = json!({
            "apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleUpdatePolicy", "metadata": {"name": "slow"},
            "spec": {"update": null},
        });
        write(
            "a.json",
            json!({"apiVersion": "v1", "kind": "List", "items": [config(first.clone()), moved]}),
        );
        write(
            "b.json",
            config(json!({"metadata": {"name": "echo"}, "spec": {"enabled": true}})),
        );
        write(
            "c.json",
            config(json!({"metadata": {"name": "bad"}, "spec": {"enabled": "hunter2"}})),
        );
        write(
            "d.json",
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}}),
        );
        write("e.json", config(json!({"spec": {}})));
        std::fs::write(dir.path().join("f.yaml"), "a: [").unwrap();

        let (world, problems) = load(dir.path()).unwrap();
        assert_eq!(
            world.object(Kind::ModuleConfig, "echo").unwrap().to_value(),
            config(first)
        );
        let policy = world.object(Kind::ModuleUpdatePolicy, "slow").unwrap().to_value();
        assert_eq!(policy["apiVersion"], "deckhouse.io/v1alpha2");
        assert_eq!(policy["spec"]["update"]["mode"], "AutoPatch");

        let prefix = format!("{}/", dir.path().display());
        let problems: Vec<String> = problems
            .iter()
            .map(|problem| problem.to_string().replace(&prefix, ""))
            .collect();
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert!(problems[0].starts_with("b.json:1:"), "{problems:?}");
        assert!(
            problems[0].contains("a.json:1 already, which counts"),
            "{problems:?}"
        );
        assert!(
            problems[1].contains("spec: does not have the shape of a ModuleConfig's"),
            "{problems:?}"
        );
        assert!(problems[2].contains("metadata.name is missing"), "{problems:?}");
        assert!(problems[3].starts_with("f.yaml:1:"), "{problems:?}");
        assert!(!problems.concat().contains("hunter2"));
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let error = load(&dir.path().join("none")).unwrap_err();
        assert!(error.to_string().contains("none: No such file"), "{error}");
    }
}
