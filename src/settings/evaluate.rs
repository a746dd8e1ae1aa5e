//! The walk that runs CEL rules over settings (rule MC-8).

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::node::Node;
use super::path::FieldPath;
use super::rules::{Outcome, Rule};
use super::violation::{Judgement, MAX_VIOLATIONS, SkippedRule, Source, Violation};
use super::{runtime, secrets};

/// What one rule may take in a review, all the places where it applies together (rule MC-8).
pub const RULE_TIME: Duration = Duration::from_millis(200);

/// The stack that the deepest rules need, several times over.
const DEEP_STACK: usize = 64 << 20;

/// [`run`] for definitions with deeply nested rules: the interpreter recurses, so it gets a stack of its own.
pub(super) fn run_deep(
    root: &Node,
    settings: &Value,
    old: Option<&Value>,
    deadline: Option<Instant>,
    judgement: &mut Judgement,
) {
    let ran = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(DEEP_STACK)
            .spawn_scoped(scope, || run(root, settings, old, deadline, judgement));
        thread.is_ok_and(|thread| thread.join().is_ok())
    });
    // Without a thread there is no verdict of rules, which is told.
    judgement.rules_not_run |= !ran;
}

/// Runs every rule below `root`. `deadline` is when the review has to be answered.
pub(super) fn run(
    root: &Node,
    settings: &Value,
    old: Option<&Value>,
    deadline: Option<Instant>,
    judgement: &mut Judgement,
) {
    if !root.rules_below {
        return;
    }
    let mut walk = Walk {
        root,
        settings,
        old,
        deadline,
        spent: HashMap::new(),
        over: BTreeSet::new(),
        judgement,
    };
    walk.visit(root, settings, old, &FieldPath::default());
    runtime::set_deadline(None);
}

struct Walk<'a> {
    root: &'a Node,
    settings: &'a Value,
    old: Option<&'a Value>,
    deadline: Option<Instant>,
    /// Time per rule, by its address: a rule in a list's items runs once per item.
    spent: HashMap<*const Rule, Duration>,
    /// Rules that ran out of time.
    over: BTreeSet<*const Rule>,
    judgement: &'a mut Judgement,
}

impl Walk<'_> {
    fn visit(&mut self, node: &Node, value: &Value, old: Option<&Value>, path: &FieldPath) {
        // A null has nothing to be ruled on, as in the API server.
        if !node.rules_below || value.is_null() {
            return;
        }
        let old = old.filter(|old| !old.is_null());
        if !node.rules.is_empty() {
            self.run_rules(node, value, old, path);
        }
        match value {
            Value::Object(object) => {
                for (key, child) in object {
                    if let Some(below) = node.child(key).filter(|below| below.rules_below) {
                        self.visit(below, child, old.and_then(|old| old.get(key)), &path.key(key));
                    }
                }
            }
            Value::Array(items) => {
                let Some(below) = node.items.as_deref().filter(|below| below.rules_below) else {
                    return;
                };
                let before = OldItems::of(node, old);
                for (index, item) in items.iter().enumerate() {
                    self.visit(below, item, before.of_item(node, item), &path.index(index));
                }
            }
            _ => {}
        }
    }

    fn run_rules(&mut self, node: &Node, value: &Value, old: Option<&Value>, path: &FieldPath) {
        let due: Vec<&Rule> = node
            .rules
            .iter()
            .filter(|rule| !self.over.contains(&std::ptr::from_ref(*rule)))
            .filter(|rule| !rule.transition || old.is_some() || rule.optional_old)
            .collect();
        if due.is_empty() {
            return;
        }
        // Most rules look at a field or two: only what one of them looks at is made into CEL's values.
        let fields = due
            .iter()
            .map(|rule| rule.fields.as_ref())
            .collect::<Option<Vec<_>>>();
        let looked_at = |key: &str| {
            fields
                .as_ref()
                .is_none_or(|fields| fields.iter().any(|set| set.contains(key)))
        };
        let this = runtime::part(value, node, looked_at);
        let before = old.filter(|_| due.iter().any(|rule| rule.transition));
        let before = before.map(|old| runtime::part(old, node, looked_at));
        for rule in due {
            let key = std::ptr::from_ref(rule);
            let spent = self.spent.get(&key).copied().unwrap_or_default();
            let started = Instant::now();
            let own = started + RULE_TIME.saturating_sub(spent);
            runtime::set_deadline(Some(self.deadline.map_or(own, |deadline| deadline.min(own))));
            let out_of_time = self.deadline.is_some_and(|deadline| started >= deadline);
            let outcome = if out_of_time {
                Outcome::OutOfTime
            } else if rule.optional_old {
                let optional = runtime::optional(before.as_ref());
                runtime::with_scope(&this, Some(&optional), |scope| rule.run(scope))
            } else {
                runtime::with_scope(&this, before.as_ref(), |scope| rule.run(scope))
            };
            self.spent.insert(key, spent + started.elapsed());
            self.take(rule, outcome, path);
        }
    }

    fn take(&mut self, rule: &Rule, outcome: Outcome, path: &FieldPath) {
        let message = match outcome {
            Outcome::Holds => return,
            Outcome::OutOfTime => {
                if self.over.insert(std::ptr::from_ref(rule)) {
                    let path = path.clone().into_string();
                    self.judgement.skipped.push(SkippedRule {
                        path,
                        rule: rule.source.clone(),
                    });
                }
                return;
            }
            Outcome::Broken { fixed, computed } => computed
                .filter(|text| !self.quotes_a_secret(text))
                .unwrap_or(fixed),
            Outcome::Error(text) if self.quotes_a_secret(&text) => format!("rule \"{}\" failed", rule.source),
            Outcome::Error(text) => text,
        };
        if self.judgement.violations.len() >= MAX_VIOLATIONS {
            self.judgement.more = true;
            return;
        }
        let path = rule
            .field_path
            .as_deref()
            .map_or_else(|| path.clone(), |below| path.join(below));
        let violation = Violation {
            path: path.into_string(),
            reason: rule.reason,
            message,
            source: Source::Rule,
        };
        if !self.judgement.violations.contains(&violation) {
            self.judgement.violations.push(violation);
        }
    }

    fn quotes_a_secret(&self, text: &str) -> bool {
        secrets::quoted_in(text, self.settings, Some(self.root))
            || self
                .old
                .is_some_and(|old| secrets::quoted_in(text, old, Some(self.root)))
    }
}

/// The old items of a list, by their list-map keys; without keys no item has an old self.
struct OldItems<'a>(HashMap<Vec<String>, &'a Value>);

impl<'a> OldItems<'a> {
    fn of(node: &Node, old: Option<&'a Value>) -> Self {
        let items = old
            .and_then(Value::as_array)
            .filter(|_| !node.list_keys.is_empty());
        Self(
            items
                .into_iter()
                .flatten()
                .map(|item| (keys(node, item), item))
                .collect(),
        )
    }

    fn of_item(&self, node: &Node, item: &Value) -> Option<&'a Value> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&keys(node, item)).copied()
    }
}

fn keys(node: &Node, item: &Value) -> Vec<String> {
    node.list_keys
        .iter()
        .map(|key| item.get(key).unwrap_or(&Value::Null).to_string())
        .collect()
}
