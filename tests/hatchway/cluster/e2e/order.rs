//! A config that comes before what it names (rule AD-5).

use super::installation::Installation;

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

#[test]
fn a_config_waits_for_what_is_being_applied_beside_it() {
    let installation = Installation::shared();
    for round in 0..3 {
        let [source, policy, config] = objects(&format!("beside-{round}"));
        std::thread::scope(|scope| {
            let first = scope.spawn(|| installation.apply(&config));
            let applied = installation.apply(&format!("{source}\n---\n{policy}"));
            assert_eq!(applied.code, 0, "{}", applied.stderr);
            let config = first.join().unwrap();
            assert_eq!(config.code, 0, "{}", config.stderr);
        });
    }
}
