//! What rules run in: the functions, the values, and the clock that ends them (rule MC-8).
//!
//! The interpreter has no limit of its own. Rules get one while they are compiled: each turn of each loop calls
//! [`TICK`], which fails once the time is over, and goes on failing, so that no operator can swallow it. Between
//! two turns lies at most one pass over the settings. So no thread of its own is needed, none has to be abandoned,
//! and a rule over 100,000 items ends when its time does.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use kube_cel::KubeCelExt;
use kube_cel::cel::common::ast::{CallExpr, Expr};
use kube_cel::cel::extractors::This;
use kube_cel::cel::objects::{Key, Map as CelMap, OptionalValue};
use kube_cel::cel::parser::Expression;
use kube_cel::cel::{Context, ExecutionError, Value as CelValue, functions};
use regex::bytes::Regex;
use serde_json::{Number, Value};

use super::node::{Node, Reading};
use super::{pattern, rules};

/// The function that every loop calls; no rule can name it itself.
pub(super) const TICK: &str = "@tick";
/// `==` where one side is written as a number: the crate's own knows no `1 == 1.0`.
pub(super) const NUMBER_EQUALS: &str = "@number_equals";
/// Patterns kept per thread for `matches`: more than any schema has, too few to grow.
const KEPT_PATTERNS: usize = 256;

thread_local! {
    static ROOT: Context<'static> = root();
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
    static EXPIRED: Cell<bool> = const { Cell::new(false) };
    static PATTERNS: RefCell<HashMap<String, Result<Regex, String>>> = RefCell::new(HashMap::new());
}

/// Runs `body` in a fresh scope with `self` and, where there is one, `oldSelf`.
pub(super) fn with_scope<T>(
    this: &CelValue,
    old: Option<&CelValue>,
    body: impl FnOnce(&mut Context<'_>) -> T,
) -> T {
    ROOT.with(|root| {
        let mut scope = root.new_inner_scope();
        scope.add_variable_from_value("self", this.clone());
        if let Some(old) = old {
            scope.add_variable_from_value("oldSelf", old.clone());
        }
        body(&mut scope)
    })
}

/// Gives this thread's rules time until `deadline`; `None` stops the clock.
pub(super) fn set_deadline(deadline: Option<Instant>) {
    DEADLINE.set(deadline);
    EXPIRED.set(false);
}

/// Whether a rule ran into the deadline since it was set.
pub(super) fn expired() -> bool {
    EXPIRED.get()
}

/// Whether a function of this name can be called.
pub(super) fn has_function(name: &str) -> bool {
    let (target, func_name) = match name.split_once('.') {
        Some((prefix, rest)) => (
            Some(Box::new(Expression {
                id: 0,
                expr: Expr::Ident(prefix.to_owned()),
            })),
            rest,
        ),
        None => (None, name),
    };
    let call = Expr::Call(CallExpr {
        func_name: func_name.to_owned(),
        target,
        args: Vec::new(),
    });
    let probe = Expression { id: 0, expr: call };
    // Called without arguments every known function fails in some other way, and one that panics is there, too.
    let found = std::panic::catch_unwind(|| {
        ROOT.with(|root| !matches!(root.resolve(&probe), Err(ExecutionError::UndeclaredReference(_))))
    });
    found.unwrap_or(true)
}

fn root() -> Context<'static> {
    let mut root = Context::default().with_all();
    root.add_function(TICK, tick);
    root.add_function("matches", matches);
    root.add_function("size", size);
    root.add_function("dyn", |value: CelValue| -> Result<CelValue, ExecutionError> {
        Ok(value)
    });
    root.add_function(NUMBER_EQUALS, number_equals);
    root
}

fn tick() -> Result<CelValue, ExecutionError> {
    if EXPIRED.get() || DEADLINE.get().is_some_and(|deadline| Instant::now() >= deadline) {
        EXPIRED.set(true);
        return Err(ExecutionError::function_error("time", "the rule ran out of time"));
    }
    Ok(CelValue::Bool(true))
}

/// Numbers are equal by value, whatever their types.
#[allow(clippy::cast_precision_loss, reason = "as in CEL: compared as doubles")]
#[allow(clippy::float_cmp, reason = "equality is what was asked for")]
fn number_equals(left: CelValue, right: CelValue) -> bool {
    match (&left, &right) {
        (CelValue::Int(int), CelValue::Float(float)) | (CelValue::Float(float), CelValue::Int(int)) => {
            *int as f64 == *float
        }
        (CelValue::UInt(uint), CelValue::Float(float)) | (CelValue::Float(float), CelValue::UInt(uint)) => {
            *uint as f64 == *float
        }
        _ => left == right,
    }
}

/// RE2 as Go reads it, each pattern compiled once per thread.
fn matches(This(this): This<Arc<String>>, wanted: Arc<String>) -> Result<CelValue, ExecutionError> {
    PATTERNS.with_borrow_mut(|kept| {
        if kept.len() >= KEPT_PATTERNS && !kept.contains_key(wanted.as_str()) {
            kept.clear();
        }
        match kept
            .entry(wanted.to_string())
            .or_insert_with(|| pattern::compile(&wanted))
        {
            Ok(regex) => Ok(CelValue::Bool(regex.is_match(this.as_bytes()))),
            Err(why) => Err(ExecutionError::function_error("matches", why.as_str())),
        }
    })
}

/// Strings count in characters, not in bytes.
#[allow(
    clippy::cast_possible_wrap,
    reason = "nothing in memory has more than i64::MAX parts"
)]
fn size(This(this): This<CelValue>) -> Result<CelValue, ExecutionError> {
    let size = match this {
        CelValue::String(text) => text.chars().count(),
        CelValue::List(list) => list.len(),
        CelValue::Map(map) => map.map.len(),
        CelValue::Bytes(bytes) => bytes.len(),
        _ => return Err(ExecutionError::NoSuchOverload),
    };
    Ok(CelValue::Int(size as i64))
}

/// A JSON value as CEL sees it: by the schema's types where it has some (`1` under `number` is a double).
pub(super) fn value(json: &Value, node: Option<&Node>) -> CelValue {
    match json {
        Value::Null => CelValue::Null,
        Value::Bool(flag) => CelValue::Bool(*flag),
        Value::Number(number) => self::number(number, node),
        Value::String(text) => string(text, node.map_or(Reading::Plain, |node| node.reading)),
        Value::Array(items) => {
            let node = node.and_then(|node| node.items.as_deref());
            CelValue::List(Arc::new(items.iter().map(|item| value(item, node)).collect()))
        }
        Value::Object(object) => {
            let map: HashMap<Key, CelValue> = object
                .iter()
                .map(|(key, child)| {
                    let child = value(child, node.and_then(|node| node.child(key)));
                    (Key::String(Arc::new(key.clone())), child)
                })
                .collect();
            CelValue::Map(CelMap { map: Arc::new(map) })
        }
    }
}

/// [`value`], of an object only the keys that are `wanted`.
pub(super) fn part(json: &Value, node: &Node, wanted: impl Fn(&str) -> bool) -> CelValue {
    let Value::Object(object) = json else {
        return value(json, Some(node));
    };
    let map: HashMap<Key, CelValue> = object
        .iter()
        .filter(|(key, _)| wanted(key))
        .map(|(key, child)| (Key::String(Arc::new(key.clone())), value(child, node.child(key))))
        .collect();
    CelValue::Map(CelMap { map: Arc::new(map) })
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "checked, or what the type asks for"
)]
fn number(number: &Number, node: Option<&Node>) -> CelValue {
    let kind = match node.map(|node| node.types.as_slice()) {
        Some([one]) => one.as_str(),
        _ => "",
    };
    let float = number.as_f64().unwrap_or(f64::NAN);
    if kind == "number" {
        return CelValue::Float(float);
    }
    match (number.as_i64(), number.as_u64()) {
        (Some(integer), _) => CelValue::Int(integer),
        (None, Some(unsigned)) => CelValue::UInt(unsigned),
        // `1.0` is an integer where one is asked for.
        (None, None) if kind == "integer" && float.fract() == 0.0 && float.abs() < 9.2e18 => {
            CelValue::Int(float as i64)
        }
        (None, None) => CelValue::Float(float),
    }
}

/// A string whose format does not fit stays one: the schema has told that already.
fn string(text: &str, reading: Reading) -> CelValue {
    let plain = || rules::text(text);
    let shared = || Arc::new(text.to_owned());
    match reading {
        Reading::Plain => plain(),
        Reading::Timestamp => functions::timestamp(shared()).unwrap_or_else(|_| plain()),
        Reading::Duration => functions::duration(shared()).unwrap_or_else(|_| plain()),
        Reading::Bytes => {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD
                .decode(text)
                .map_or_else(|_| plain(), |bytes| CelValue::Bytes(Arc::new(bytes)))
        }
    }
}

/// `oldSelf` of a rule with `optionalOldSelf`: an optional, empty where there is no old value.
pub(super) fn optional(old: Option<&CelValue>) -> CelValue {
    let optional = match old {
        Some(old) => OptionalValue::of(old.clone()),
        None => OptionalValue::none(),
    };
    CelValue::Opaque(Arc::new(optional))
}
