//! A config that comes before what it names (rule AD-5).

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;

use super::installation::Installation;
use crate::support::control_plane::ControlPlane;
use crate::support::http::{Version, send};

fn objects(name: &str) -> [String; 3] {
    [
        format!(
            "{{apiVersion: deckhouse.io/v1alpha1, kind: ModuleSource, metadata: {{name: {name}}}, spec: {{registry: {{repo: registry.example.com/{name}}}}}}}"
        ),
        format!(
            "{{apiVersion: deckhouse.io/v1alpha2, kind: ModuleUpdatePolicy, metadata: {{name: {name}}}, spec: {{}}}}"
        ),
        format!(
            "{{apiVersion: deckhouse.io/v1alpha1, kind: ModuleConfig, metadata: {{name: {name}}}, spec: {{enabled: true, source: {name}, updatePolicy: {name}}}}}"
        ),
    ]
}

#[test]
fn one_apply_of_a_source_a_policy_and_a_config_just_works() {
    let installation = Installation::shared();
    for round in 0..5 {
        let applied = installation.apply(&objects(&format!("ordered-{round}")).join("\n---\n"));
        assert_eq!(applied.code, 0, "{}", applied.stderr);
        assert_eq!(applied.stdout.lines().count(), 3);
    }
}

/// The patience of rule AD-5, less what an answer needs on its way.
const IN_TIME: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_config_waits_for_what_is_made_beside_it() {
    let installation = Installation::shared();
    let client = installation.api_client(Version::H1);
    let post = async |plural: &str, version: &str, object: &str| {
        let object: serde_json::Value = serde_saphyr::from_str(object).unwrap();
        let url = format!(
            "{}/apis/deckhouse.io/{version}/{plural}",
            installation.plane.url()
        );
        let request = http::Request::post(url)
            .header("authorization", format!("Bearer {}", ControlPlane::token()))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(object.to_string())))
            .unwrap();
        send(&client, request).await.unwrap()
    };
    // On a busy machine what it waits for may come too late; such a round says nothing.
    for round in 0..20 {
        let [source, policy, config] = objects(&format!("beside-{round}"));
        let asked = Instant::now();
        let beside = async {
            let made = [
                post("modulesources", "v1alpha1", &source).await,
                post("moduleupdatepolicies", "v1alpha2", &policy).await,
            ];
            assert!(made.iter().all(|answer| answer.status == 201), "{made:?}");
            asked.elapsed()
        };
        let (config, made) = tokio::join!(post("moduleconfigs", "v1alpha1", &config), beside);
        if made < IN_TIME {
            assert_eq!(config.status, 201, "{}", config.body);
            return;
        }
    }
    panic!("the machine is too slow: nothing was made within {IN_TIME:?}");
}

#[test]
fn in_the_wrong_order_the_second_apply_finds_what_the_first_has_made() {
    let installation = Installation::shared();
    // kubectl waits for one answer before it sends the next object: the config cannot wait for what is behind it.
    let [source, policy, config] = objects("behind");
    let file = [config, policy, source].join("\n---\n");
    let applied = installation.apply(&file);
    assert_eq!(applied.code, 1);
    assert_eq!(applied.stdout.lines().count(), 2, "{}", applied.stdout);
    for cause in [
        "the 'behind' module source does not exist",
        "the 'behind' module policy does not exist",
    ] {
        assert!(applied.stderr.contains(cause), "{}", applied.stderr);
    }
    let applied = installation.apply(&file);
    assert_eq!(applied.code, 0, "{}", applied.stderr);
}
