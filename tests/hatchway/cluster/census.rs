//! What came into a real cluster while nobody judged: found by the server, and by `check --cluster`.

use std::io::Write;
use std::process::{Output, Stdio};

use super::watches::{apply, install_crds};
use crate::support::control_plane::ControlPlane;
use crate::support::{Hatchway, command};

/// Releases as they were before anybody had thought of a schema.
const ANYTHING_GOES: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: modulereleases.deckhouse.io}
spec:
  group: deckhouse.io
  scope: Cluster
  names: {plural: modulereleases, singular: modulerelease, kind: ModuleRelease, listKind: ModuleReleaseList}
  versions:
  - name: v1alpha1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

const STRANGE_RELEASE: &str = r"
apiVersion: deckhouse.io/v1alpha1
kind: ModuleRelease
metadata: {name: echo-v1.0.0}
spec: {moduleName: echo, version: 1.0.0}
status: {phase: Exploded}
";

/// What no schema refuses.
const OBJECTS: &str = r#"
apiVersion: deckhouse.io/v1alpha1
kind: ModuleConfig
metadata: {name: global}
spec: {source: gone, updatePolicy: slow}
---
apiVersion: deckhouse.io/v1alpha2
kind: ModulePullOverride
metadata: {name: echo, annotations: {modules.deckhouse.io/v1alpha1-fields: '{"source": "gone"}'}}
spec: {imageTag: main}
---
apiVersion: deckhouse.io/v1alpha2
kind: ModuleUpdatePolicy
metadata: {name: slow}
spec: {}
"#;

/// Runs `check` against the cluster, with a file on standard input if there is one.
fn check(plane: &ControlPlane, arguments: &[&str], stdin: &str) -> (i32, String, String) {
    let mut child = command()
        .arg("check")
        .args(arguments)
        .arg("--kubeconfig")
        .arg(plane.kubeconfig())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    let said = String::from_utf8(stdout).unwrap();
    assert!(!said.is_empty(), "{}", String::from_utf8_lossy(&stderr));
    (status.code().unwrap(), said, String::from_utf8(stderr).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_in_while_nobody_judged_is_counted_and_listed() {
    let plane = ControlPlane::start();
    apply(&plane, ANYTHING_GOES);
    plane.established();
    apply(&plane, STRANGE_RELEASE);
    install_crds(&plane);
    apply(&plane, OBJECTS);

    let server = Hatchway::start_in_cluster(&plane.kubeconfig(), &[]);
    for (kind, rule) in [
        ("ModuleConfig", "MC-2"),
        ("ModulePullOverride", "MPO-4"),
        ("ModuleRelease", "unreadable"),
    ] {
        let series = format!("hatchway_invalid_objects{{kind=\"{kind}\",rule=\"{rule}\"}}");
        server.metric_reaches(&series, 1.0).await;
    }
    // Whatever is in the cluster was there when the first count was made: nothing seemed to be missing meanwhile.
    let (_, text) = server.get("/metrics").await;
    let series = text
        .lines()
        .filter(|line| line.starts_with("hatchway_invalid_objects{"));
    assert_eq!(series.count(), 3, "{text}");

    let (code, said, warned) = check(&plane, &["--cluster"], "");
    assert_eq!((code, warned.as_str()), (2, ""), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert!(
        lines[0].starts_with(
            "ModuleConfig/global: error[MC-2]: spec.source: the 'gone' module source does not exist"
        ),
        "{said}"
    );
    assert!(
        lines.iter().any(|line| line
            .starts_with("ModulePullOverride/echo: error[MPO-4]: spec.source: The source not found")),
        "{said}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("ModuleRelease/echo-v1.0.0: error[unreadable]: status ")),
        "{said}"
    );
    assert!(
        said.ends_with(
            "checked 4 objects in the cluster: 2 would be refused if made now, 1 object could not be judged, 1 warning\n"
        ),
        "{said}"
    );

    // What is in the cluster is the world of files, too, whether that is said or not.
    let file = "{apiVersion: deckhouse.io/v1alpha1, kind: ModuleConfig, metadata: {name: deckhouse}, spec: {updatePolicy: slow}}";
    for arguments in [&["-"][..], &["--cluster", "-"]] {
        let (code, said, warned) = check(&plane, arguments, file);
        assert_eq!((code, said.as_str()), (0, "checked 1 object in 1 file: fine\n"));
        assert!(
            warned.starts_with("warning: ModuleRelease/echo-v1.0.0 in the cluster: status "),
            "{warned}"
        );
    }

    let gone = plane.kubectl(&["delete", "mc/global", "mpo/echo", "mr/echo-v1.0.0"]);
    assert_eq!(gone.code, 0, "{}", gone.stderr);
    let (code, said, _) = check(&plane, &["--cluster"], "");
    assert_eq!(
        (code, said.as_str()),
        (0, "checked 1 object in the cluster: fine\n")
    );
}
