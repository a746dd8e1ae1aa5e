//! `hatchway manifests`, `completions` and `docs`: what is generated is what is committed, and its readers read it.

use std::path::PathBuf;
use std::process::Command;

use super::golden::golden;
use super::{hatchway, root, run};

/// The committed files and the arguments that print them: the list that `make manifests` and `make check` go by.
fn generated() -> Vec<(String, String)> {
    let list = std::fs::read_to_string(root("hack/generated.list")).unwrap();
    let lines = list
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| line.split_once(' ').unwrap())
        .map(|(file, arguments)| (file.to_owned(), arguments.to_owned()))
        .collect()
}

fn printed(arguments: &str) -> String {
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let ran = run(hatchway(&root("."), &arguments), b"");
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (0, ""),
        "hatchway {}",
        arguments.join(" ")
    );
    ran.stdout
}

#[test]
fn what_is_committed_is_what_is_printed() {
    for (file, arguments) in generated() {
        golden(&file, &printed(&arguments));
    }
}

#[test]
fn printing_twice_prints_the_same() {
    let arguments = "manifests all --image registry.example.com/hatchway:1";
    assert_eq!(printed(arguments), printed(arguments));
}

#[test]
fn kustomize_reads_the_base() {
    let output = Command::new(kubectl())
        .arg("kustomize")
        .arg(root("manifests"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let kustomized = hatchway_documents(&String::from_utf8(output.stdout).unwrap());
    // Everything that `all` prints is in the base, as it is.
    let printed = hatchway_documents(&printed("manifests all --image hatchway"));
    assert_eq!(kustomized.len(), printed.len());
    for (kustomized, printed) in kustomized.iter().zip(&printed) {
        assert_eq!(kustomized, printed);
    }
}

#[test]
fn an_overlay_sets_the_image() {
    let dir = tempfile::tempdir_in(root("target")).unwrap();
    let overlay = "resources: [../../manifests]\nimages: [{name: hatchway, newName: registry.example.com/hatchway, newTag: '1'}]\n";
    std::fs::write(dir.path().join("kustomization.yaml"), overlay).unwrap();
    let output = Command::new(kubectl())
        .arg("kustomize")
        .arg(dir.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("image: registry.example.com/hatchway:1\n"));
}

/// The objects of a stream, sorted, since kustomize has an order of its own.
fn hatchway_documents(text: &str) -> Vec<String> {
    let reading = hatchway::documents::parse("-", text.as_bytes());
    assert_eq!(reading.problems, []);
    let mut documents: Vec<String> = reading
        .documents
        .into_iter()
        .map(|document| document.value.to_string())
        .collect();
    documents.sort();
    documents
}

/// Where the tests' control plane is, its kubectl; else the machine's.
fn kubectl() -> PathBuf {
    std::env::var_os("KUBEBUILDER_ASSETS").map_or_else(
        || "kubectl".into(),
        |assets| PathBuf::from(assets).join("kubectl"),
    )
}

#[test]
fn wrong_flags_exit_2_and_say_the_way_out() {
    for (arguments, word) in [
        ("manifests all", "--image"),
        ("manifests crds moduleconfgs", "moduleconfigs"),
        ("manifests webhooks --webhook-url http://a.example.com", "https"),
        ("manifests rbac --namespace A_b", "lower-case"),
        ("manifests deployment --image a --replicas many", "--replicas"),
    ] {
        let words: Vec<&str> = arguments.split_whitespace().collect();
        let ran = run(hatchway(&root("."), &words), b"");
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments}");
        assert!(ran.stderr.contains(word), "{arguments}: {}", ran.stderr);
    }
}

#[test]
fn shells_read_their_completions() {
    let bash = printed("completions bash");
    let mut command = Command::new("bash");
    command
        .arg("-n")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let ran = run(command, bash.as_bytes());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(bash.contains("--trusted-user"));
    assert!(printed("completions zsh").starts_with("#compdef hatchway"));
    assert!(printed("completions fish").contains("complete -c hatchway"));
}
