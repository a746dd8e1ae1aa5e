//! From a rule's text to an expression that is safe to run.

use std::collections::BTreeSet;
use std::panic::catch_unwind;

use kube_cel::CompiledSchema;
use kube_cel::cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, operators};
use kube_cel::cel::parser::{Expression, Parser};
use serde_json::{Map, Value};

use super::signs::without_pairs;
use crate::settings::runtime;

/// Characters of a rule; the API server's own bound on expressions is in this order.
const MAX_RULE: usize = 16 * 1024;
/// Brackets within brackets; the parser itself stops at 96 expressions within each other.
const MAX_NESTING: usize = 64;
/// Expressions within expressions, a chain of operators included.
const MAX_DEPTH: usize = 96;
/// Rules up to this length and nesting are parsed where they are met.
const PLAIN_RULE: usize = 256;
const PLAIN_NESTING: usize = 4;
/// Room for the parser: what the longest rule can make it use, in debug builds, too.
const PARSER_STACK: usize = 256 << 20;
/// Words that CEL keeps for itself; as field names they are written `__word__`.
const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// What is known of an expression after reading it.
#[derive(Default)]
pub(super) struct Facts {
    pub old_self: bool,
    pub loops: bool,
    /// Expressions within expressions.
    pub depth: usize,
    /// Keys of `self` and `oldSelf` that are asked for by name.
    pub fields: BTreeSet<String>,
    /// `self` or `oldSelf` is also used as a whole.
    pub whole: bool,
}

/// Parses and prepares an expression, or says what is wrong with it in one line.
pub(super) fn compile(source: &str) -> Result<(Expression, Facts), String> {
    if source.len() > MAX_RULE {
        return Err(format!("it is longer than {MAX_RULE} bytes"));
    }
    if nesting(source) > MAX_NESTING {
        return Err(format!("its brackets are nested deeper than {MAX_NESTING}"));
    }
    with_room(source, || parse(source)).unwrap_or_else(|| Err("it cannot be parsed".to_owned()))
}

/// Runs what parses `source`: the parser recurses, deeply for what people would call short, and where that could
/// matter it gets a stack of its own.
pub(super) fn with_room<T: Send>(source: &str, body: impl FnOnce() -> T + Send) -> Option<T> {
    if source.len() <= PLAIN_RULE && nesting(source) <= PLAIN_NESTING {
        return Some(body());
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(PARSER_STACK)
            .spawn_scoped(scope, body);
        thread.ok().and_then(|thread| thread.join().ok())
    })
}

/// What the cost estimate asks of a schema: types and bounds, not the rules, some levels down.
pub(in crate::settings) fn bounds(schema: &Map<String, Value>) -> CompiledSchema {
    kube_cel::compile_schema(&bare(schema, 0))
}

fn bare(schema: &Map<String, Value>, depth: usize) -> Value {
    const LEVELS: usize = 8;
    let mut out = Map::new();
    for keyword in ["type", "format", "maxItems", "maxLength", "maxProperties"] {
        if let Some(value) = schema.get(keyword) {
            out.insert(keyword.to_owned(), value.clone());
        }
    }
    if depth < LEVELS {
        for keyword in ["items", "additionalProperties"] {
            if let Some(Value::Object(below)) = schema.get(keyword) {
                out.insert(keyword.to_owned(), bare(below, depth + 1));
            }
        }
        if let Some(Value::Object(properties)) = schema.get("properties") {
            let properties: Map<String, Value> = properties
                .iter()
                .filter_map(|(key, below)| Some((key.clone(), bare(below.as_object()?, depth + 1))))
                .collect();
            out.insert("properties".to_owned(), Value::Object(properties));
        }
    }
    Value::Object(out)
}

fn parse(source: &str) -> Result<(Expression, Facts), String> {
    let source = without_pairs(source);
    let parsed = catch_unwind(|| Parser::new().enable_optional_syntax(true).parse(&source));
    let mut expression = match parsed {
        Ok(Ok(expression)) => expression,
        Ok(Err(errors)) => {
            // One line: the crate draws the source with a pointer below it.
            let text = errors.to_string();
            let line = text.lines().next().unwrap_or_default();
            return Err(line
                .strip_prefix("ERROR: <input>:")
                .unwrap_or(line)
                .trim()
                .to_owned());
        }
        Err(_) => return Err("it cannot be parsed".to_owned()),
    };
    let mut reader = Reader {
        scope: vec!["self".to_owned(), "oldSelf".to_owned()],
        facts: Facts::default(),
        depth: 0,
    };
    reader.prepare(&mut expression)?;
    Ok((expression, reader.facts))
}

/// How deep brackets stand within brackets, counting those in strings, too: nobody nests so many.
fn nesting(source: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in source.bytes() {
        match byte {
            b'(' | b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Walks the expression: names must mean something, escaped fields get their real names, and every turn of a loop
/// asks whether there is time left.
struct Reader {
    scope: Vec<String>,
    facts: Facts,
    depth: usize,
}

impl Reader {
    fn prepare(&mut self, expression: &mut Expression) -> Result<(), String> {
        // The interpreter recurses as deep on the threads that serve reviews.
        if self.depth >= MAX_DEPTH {
            return Err(format!("it is nested deeper than {MAX_DEPTH}"));
        }
        self.depth += 1;
        self.facts.depth = self.facts.depth.max(self.depth);
        self.prepare_kind(expression)?;
        Self::compare_numbers(expression);
        self.depth -= 1;
        Ok(())
    }

    fn prepare_kind(&mut self, expression: &mut Expression) -> Result<(), String> {
        match &mut expression.expr {
            Expr::Unspecified | Expr::Struct(_) => {
                return Err("it makes a struct, which rules cannot".to_owned());
            }
            Expr::Literal(_) => {}
            Expr::Ident(name) => {
                if !self.scope.contains(name) {
                    return Err(format!("undeclared reference to \"{name}\""));
                }
                self.facts.old_self |= name == "oldSelf";
                self.facts.whole |= is_self(name);
            }
            Expr::Select(select) => {
                unescape(&mut select.field);
                if let Expr::Ident(name) = &select.operand.expr
                    && is_self(name)
                {
                    self.facts.old_self |= name == "oldSelf";
                    self.facts.fields.insert(select.field.clone());
                } else {
                    self.prepare(&mut select.operand)?;
                }
            }
            Expr::List(list) => {
                for element in &mut list.elements {
                    self.prepare(element)?;
                }
            }
            Expr::Map(map) => {
                for entry in &mut map.entries {
                    match &mut entry.expr {
                        EntryExpr::MapEntry(entry) => {
                            self.prepare(&mut entry.key)?;
                            self.prepare(&mut entry.value)?;
                        }
                        EntryExpr::StructField(_) => {
                            return Err("it makes a struct, which rules cannot".to_owned());
                        }
                    }
                }
            }
            Expr::Call(call) => self.prepare_call(call)?,
            Expr::Comprehension(comprehension) => {
                self.facts.loops = true;
                self.prepare(&mut comprehension.iter_range)?;
                self.prepare(&mut comprehension.accu_init)?;
                let depth = self.scope.len();
                self.scope.push(comprehension.iter_var.clone());
                self.scope.extend(comprehension.iter_var2.clone());
                self.scope.push(comprehension.accu_var.clone());
                self.prepare(&mut comprehension.loop_cond)?;
                self.prepare(&mut comprehension.loop_step)?;
                self.prepare(&mut comprehension.result)?;
                self.scope.truncate(depth);
                let condition = std::mem::take(&mut comprehension.loop_cond);
                comprehension.loop_cond = call(
                    operators::CONDITIONAL,
                    vec![
                        call(runtime::TICK, Vec::new()),
                        condition,
                        Expression {
                            id: 0,
                            expr: Expr::Literal(LiteralValue::Boolean(false.into())),
                        },
                    ],
                );
            }
        }
        Ok(())
    }

    /// Lets `==` and `!=` beside a written number compare by value.
    fn compare_numbers(expression: &mut Expression) {
        let Expr::Call(compared) = &mut expression.expr else {
            return;
        };
        let negated = compared.func_name == operators::NOT_EQUALS;
        if !(negated || compared.func_name == operators::EQUALS) || !compared.args.iter().any(is_number) {
            return;
        }
        let equals = call(runtime::NUMBER_EQUALS, std::mem::take(&mut compared.args));
        *expression = if negated {
            call(operators::LOGICAL_NOT, vec![equals])
        } else {
            equals
        };
    }

    fn prepare_call(&mut self, call: &mut CallExpr) -> Result<(), String> {
        let mut name = call.func_name.clone();
        match call.target.as_deref_mut() {
            // `math.greatest(…)`: the target is a part of the function's name.
            Some(Expression {
                expr: Expr::Ident(prefix),
                ..
            }) if !self.scope.contains(prefix) => {
                name = format!("{prefix}.{name}");
            }
            Some(target) => self.prepare(target)?,
            None => {}
        }
        if call.func_name == operators::OPT_SELECT
            && let Some(Expression {
                expr: Expr::Literal(LiteralValue::String(field)),
                ..
            }) = call.args.get_mut(1)
        {
            // The crate's `.?` fails on a missing key; its `[?]` gives the empty optional that both should.
            operators::OPT_INDEX.clone_into(&mut call.func_name);
            name.clone_from(&call.func_name);
            let mut text = field.inner().to_owned();
            unescape(&mut text);
            *field = text.as_str().into();
        }
        for argument in &mut call.args {
            self.prepare(argument)?;
        }
        if !is_operator(&name) && !runtime::has_function(&name) {
            return Err(format!("undeclared reference to \"{name}\""));
        }
        Ok(())
    }
}

fn call(name: &str, args: Vec<Expression>) -> Expression {
    Expression {
        id: 0,
        expr: Expr::Call(CallExpr {
            func_name: name.to_owned(),
            target: None,
            args,
        }),
    }
}

fn is_number(expression: &Expression) -> bool {
    use LiteralValue::{Double, Int, UInt};
    matches!(expression.expr, Expr::Literal(Int(_) | UInt(_) | Double(_)))
}

fn is_self(name: &str) -> bool {
    matches!(name, "self" | "oldSelf")
}

/// Operators carry names with characters that no function's name can have.
fn is_operator(name: &str) -> bool {
    !name.chars().all(|c| c == '_' || c == '.' || c.is_alphanumeric())
        || !name.chars().any(char::is_alphanumeric)
}

/// Undoes the API server's escaping of field names, so that `self.a__dash__b` and `self["a-b"]` are one.
fn unescape(field: &mut String) {
    if let Some(word) = field.strip_prefix("__").and_then(|rest| rest.strip_suffix("__"))
        && RESERVED.contains(&word)
    {
        *field = word.to_owned();
        return;
    }
    if field.contains("__") {
        *field = field
            .replace("__underscores__", "\u{0}")
            .replace("__dot__", ".")
            .replace("__dash__", "-")
            .replace("__slash__", "/")
            .replace('\u{0}', "__");
    }
}
